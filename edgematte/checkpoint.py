"""Checkpoints: safetensors beside a config JSON, or a ``.pth`` that is only read as weights."""

import argparse
import hashlib
import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from edgematte.errors import CheckpointError
from edgematte.hub import PREPROCESSOR, fetch, is_hub_name, normalisation, weights_in
from edgematte.manifest import Weights
from edgematte.registry import FAMILIES, Family
from edgematte.testcard import testcard

SHIPPED = Path(__file__).parent / "weights"
WRAPPERS = ("state_dict", "model", "mat_model", "teacher", "student")  # what files hold weights in


def build(family: Family, config: dict[str, int] | None = None) -> nn.Module:
    """An untrained model of a family, in evaluation mode; ``config`` overrides its options."""
    module, _, name = family.torch_class.partition(":")
    options = {**family.config, **(config or {})}
    unknown = sorted(set(options) - set(family.config))
    if unknown:
        raise CheckpointError(f"{family.name} has no option {', '.join(unknown)}")
    booleans = {"cfm", "ena", "cra", "aliasing"}
    arguments = {k: bool(v) if k in booleans else v for k, v in options.items()}
    model: nn.Module = getattr(importlib.import_module(module), name)(**arguments)
    return model.eval()


def load_model(family: Family, file: Path | None = None) -> tuple[nn.Module, Weights]:
    """A model with the weights of a file, or with those shipped.

    Args:
        file: ``.safetensors``, ``.pth``/``.pt``, a folder that holds ``model.safetensors``, or
            ``hf:OWNER/NAME`` on the Hugging Face hub. A ``config.json`` (or ``NAME.json``) beside
            it gives the constructor's options; a ``preprocessor_config.json`` the normalisation of
            models that keep theirs with the weights.

    Raises:
        CheckpointError: unreadable, other keys or shapes than the model's, or values not finite.
    """
    source = "shipped" if file is None else str(file) if is_hub_name(file) else file.name
    source = source.encode(errors="replace").decode()  # a name may hold bytes that are no text
    if file is None:
        if not family.weights:
            raise CheckpointError(
                f"edgematte ships no weights for {family.name}: give --weights FILE, or "
                "--random-weights to try the tool chain"
            )
        file = SHIPPED / f"{family.weights}.safetensors"
    if is_hub_name(file):
        file = fetch(str(file))
    if file.is_dir():
        file = weights_in(file)
    state = read_state(file)
    stored = "mean" in state
    if family.official_keys:
        module, _, name = family.official_keys.partition(":")
        state = getattr(importlib.import_module(module), name)(state)
    model = build(family, read_config(file, family))
    own = model.state_dict()
    if "mean" in own and "std" in own and "mean" in state:
        source += _normalise(state, file.parent, stored)
    if other := _other_size(family, own, state):
        raise CheckpointError(f"{file} holds {other}, not {family.name}: give --model {other}")
    _fit(model, state, file)
    return model, Weights(source, fingerprint(model))


def _normalise(state: dict[str, Tensor], folder: Path, stored: bool) -> str:
    """Put the folder's normalisation into a state, where it has one; says which one holds."""
    origin = "stored with the weights" if stored else "the official one, none is stored"
    if found := normalisation(folder):
        state["mean"], state["std"] = (torch.tensor(values) for values in found)
        origin = PREPROCESSOR
    mean, std = (" ".join(f"{v:.4g}" for v in state[name].tolist()) for name in ("mean", "std"))
    return f" (normalisation: {origin}, mean {mean}, std {std})"


def _other_size(family: Family, own: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    """The name of another model of the same class that a state's shapes are those of, or ``""``."""
    shapes = {name: value.shape for name, value in state.items()}
    if shapes == {name: value.shape for name, value in own.items()}:
        return ""
    for other in FAMILIES.values():
        if other.torch_class == family.torch_class and other is not family:
            with torch.device("meta"):
                expected = build(other).state_dict()
            if shapes == {name: value.shape for name, value in expected.items()}:
                return other.name
    return ""


def random_model(family: Family, config: dict[str, int], seed: int) -> tuple[nn.Module, Weights]:
    """A model with seeded random weights through which a signal survives.

    BatchNorm statistics are those of a picture, as after training: with the constructor's, deep
    nets answer the same to everything, and a check of such an export would see no damage.
    """
    torch.manual_seed(seed)
    model = build(family, config)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.7, 1.3)
        nn.init.uniform_(norm.bias, -0.2, 0.2)
        norm.momentum = 1.0  # the next forward's statistics, and nothing else
    picture = torch.from_numpy(testcard(128, 128)).permute(2, 0, 1)[None].float() / 255
    pictures = torch.cat([picture, torch.rand_like(picture)])
    examples = (pictures,)
    if hasattr(model, "examples"):
        examples = model.examples(pictures)  # type: ignore[operator]
    with torch.no_grad():
        model.train()
        if hasattr(model, "balance"):
            model.balance(pictures)  # type: ignore[operator]
        model(*examples)
    for norm in norms:
        norm.momentum = 0.1
        assert norm.running_var is not None
        norm.running_var *= 2  # a little calmer: rounding must not grow from layer to layer
    return model.eval(), Weights(f"random, seed {seed}", fingerprint(model))


def config_of(model: nn.Module) -> dict[str, int]:
    """The constructor options a model was built with."""
    return dict(model.config)  # type: ignore[arg-type]


def save_model(model: nn.Module, config: dict[str, Any], file: Path) -> None:
    """Write ``file`` (safetensors) and, beside it, its config as JSON of the same stem."""
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, file)
    file.with_suffix(".json").write_text(json.dumps(config, indent=2) + "\n")


def read_state(file: Path) -> dict[str, Tensor]:
    """Tensors by name; never executes anything the file holds."""
    if not file.is_file():
        raise CheckpointError(f"no checkpoint at {file}")
    if file.suffix == ".safetensors":
        try:
            stored: dict[str, Tensor] = load_file(file)
            return stored
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file} is not a safetensors file ({error})") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that it then refuses
            # Training programs keep their options beside the weights; they hold no code.
            with torch.serialization.safe_globals([argparse.Namespace]):
                state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).strip().splitlines()[0][:120]
        raise CheckpointError(f"{file} cannot be read as plain weights ({first})") from None
    if isinstance(state, dict):
        for key in WRAPPERS:
            if isinstance(state.get(key), dict):
                state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{file} holds no dictionary of tensors")
    return {k.removeprefix("module."): v for k, v in state.items()}


def read_config(file: Path, family: Family) -> dict[str, int]:
    """The options beside a checkpoint; those it does not name keep the family's values."""
    for beside in (file.with_suffix(".json"), file.with_name("config.json")):
        if beside.is_file():
            try:
                found = json.loads(beside.read_text())
                named = found.pop("model", family.name)
                config = {k: int(v) for k, v in found.items() if k in family.config}
            except (ValueError, TypeError, AttributeError) as error:
                raise CheckpointError(f"{beside} is not a config ({error})") from None
            if named != family.name:
                raise CheckpointError(f"{beside} is of the model {named!r}, not {family.name!r}")
            return config
    return {}


def fingerprint(model: nn.Module) -> str:
    """sha256 over the names, dtypes, shapes and bytes of all tensors, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _fit(model: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    own = model.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        parts = [_some("missing", missing), _some("unexpected", extra)]
        raise CheckpointError(f"{file} does not fit the model: {'; '.join(p for p in parts if p)}")
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            raise CheckpointError(
                f"{file}: {name} has shape {list(state[name].shape)}, the model "
                f"{list(tensor.shape)}; is its config beside it?"
            )
        if not torch.isfinite(state[name].float()).all():
            raise CheckpointError(
                f"{file}: {name} holds values that are not finite (NaN or infinity)"
            )
    model.load_state_dict(state)


def _some(word: str, names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{len(names)} keys {word} ({', '.join(names[:5])}{more})" if names else ""
