"""Checkpoints: safetensors with a config JSON beside it, or a ``.pth`` read as weights only."""

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from edgematte.atomic import atomic_file
from edgematte.card import card_of
from edgematte.codec import parse
from edgematte.errors import CheckpointError, line_of
from edgematte.hub import PREPROCESSOR, fetch, is_hub_name, normalisation, weights_in
from edgematte.manifest import Weights
from edgematte.models.shown_options import RULES, shown_options
from edgematte.net import Variant, load_part
from edgematte.nets import usable_variants
from edgematte.state_dict import load_into, read_state_dict
from edgematte.testcard import testcard

SHIPPED = Path(__file__).parent / "weights"


def build(variant: Variant, config: dict[str, int] | None = None) -> nn.Module:
    """An untrained model of a variant, in evaluation mode; ``config`` overrides its options."""
    own = variant.config
    options = {**own, **(config or {})}
    unknown = sorted(set(options) - set(own))
    if unknown:
        raise CheckpointError(f"{variant.name} has no option {', '.join(unknown)}")
    arguments = {k: bool(v) if isinstance(own[k], bool) else v for k, v in options.items()}
    model: nn.Module = load_part(variant.network)(**arguments)
    return model.eval()


def load_model(variant: Variant, file: Path | None = None) -> tuple[nn.Module, Weights]:
    """A model with the weights of a file, or with the shipped weights.

    Args:
        file: ``.safetensors``, ``.pth``/``.pt``, a folder that holds ``model.safetensors``, or
            ``hf:OWNER/NAME`` on the Hugging Face hub. A ``config.json`` (or ``NAME.json``) beside
            it gives the constructor's options; options that it does not name follow from the shapes
            of the tensors (:mod:`edgematte.models.shown_options`), or are the variant's. For models
            that store their normalisation with the weights, ``preprocessor_config.json`` gives it.
            Half and double floats become float32.

    Returns:
        The model, and where its weights come from. ``source`` says what was taken out of the file,
        converted, or concluded from shapes.

    Raises:
        CheckpointError: the file is unreadable, its keys or shapes are not the model's, or a value
            is not finite.
    """
    source = "shipped" if file is None else str(file) if is_hub_name(file) else file.name
    source = source.encode(errors="replace").decode()  # a name may have bytes that are not text
    if file is None:
        if not variant.weights:
            raise CheckpointError(
                f"edgematte ships no weights for {variant.name}: give a checkpoint, or "
                "random weights to try the tool chain"
            )
        file = SHIPPED / f"{variant.weights}.safetensors"
    if is_hub_name(file):
        file = fetch(str(file))
    if file.is_dir():
        file = weights_in(file)
    contents = read_state_dict(file)
    state, notes = contents.tensors, [*contents.notes]
    stored = "mean" in state
    if variant.net.keys:
        state = load_part(variant.net.keys)(state)
    model = _fitting(variant, state, file, notes)
    own = model.state_dict()
    if "mean" in own and "std" in own and "mean" in state:
        notes.append(_normalise(state, file.parent, stored))
    load_into(model, state, file)
    digest = fingerprint(model)
    card = card_of(file, digest, contents.metadata)
    return model, Weights(_with_notes(source, notes), digest, card)


def read_state(file: Path) -> dict[str, Tensor]:
    """Tensors by name, floating-point ones as float32; see :func:`read_state_dict`."""
    return read_state_dict(file).tensors


def module_weights(model: nn.Module) -> tuple[nn.Module, Weights]:
    """A copy of the caller's module for an export, in evaluation mode and float32."""
    kinds = {str(v.dtype) for v in model.state_dict().values() if v.is_floating_point()}
    others = " and ".join(sorted(kind.removeprefix("torch.") for kind in kinds - {"torch.float32"}))
    notes = [f"{others} converted to float32"] if others else []
    taken = copy.deepcopy(model).cpu().float().eval()
    return taken, Weights(_with_notes("module", notes), fingerprint(taken))


def _with_notes(source: str, notes: list[str]) -> str:
    return f"{source} ({'; '.join(notes)})" if notes else source


def _fitting(variant: Variant, state: dict[str, Tensor], file: Path, notes: list[str]) -> nn.Module:
    """An untrained model that fits a state, by the config beside it and the shapes in it."""
    given = read_config(file, variant)
    model = _sketch(variant, given, file)
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if all(shapes.get(name) == shape for name, shape in own.items()):
        return build(variant, given)
    if other := _other_size(variant, shapes):
        raise CheckpointError(f"{file} holds {other}, not {variant.name}: give model {other}")
    name = variant.network.partition(":")[2]
    shown = shown_options(name, shapes)
    if wrong := [
        f"{k} {v}, its tensors {shown[k]}" for k, v in given.items() if shown.get(k, v) != v
    ]:
        raise CheckpointError(f"{file}: the config beside it says {', '.join(wrong)}")
    told = {k: v for k, v in shown.items() if v != {**variant.config, **given}[k]}
    if not told:
        return model
    try:
        model = build(variant, {**given, **shown})
    except (ArithmeticError, AssertionError, RuntimeError, TypeError, ValueError):
        return model  # such shapes fit no net; comparing them later says what is wrong
    notes.append(f"by its shapes: {_listed(told)}")
    if hidden := {k: variant.config[k] for k in RULES[name].hidden if k not in given}:
        notes.append(f"as in {variant.name}, for no shape shows it: {_listed(hidden)}")
    return model


def _sketch(variant: Variant, given: dict[str, int], file: Path) -> nn.Module:
    """A model without values: a config may ask for more of them than there is memory.

    Raises:
        CheckpointError: no network has such options.
    """
    try:
        with torch.device("meta"):
            return build(variant, given)
    except (ArithmeticError, AssertionError, RuntimeError, TypeError, ValueError) as error:
        first = line_of(error, 120)
        raise CheckpointError(
            f"{file}: the config beside it makes no {variant.name} ({_listed(given)}: {first})"
        ) from None


def _listed(options: dict[str, int]) -> str:
    return ", ".join(f"{name} {int(value)}" for name, value in options.items())


def _normalise(state: dict[str, Tensor], folder: Path, stored: bool) -> str:
    """Put a folder's normalisation, if it has one, into a state; says which is in use."""
    origin = "stored with the weights" if stored else "the official one, none is stored"
    if statistics := normalisation(folder):
        state["mean"], state["std"] = (torch.tensor(values) for values in statistics)
        origin = PREPROCESSOR
    mean, std = (" ".join(f"{v:.4g}" for v in state[name].tolist()) for name in ("mean", "std"))
    return f"normalisation: {origin}, mean {mean}, std {std}"


def _other_size(variant: Variant, shapes: dict[str, tuple[int, ...]]) -> str:
    """The name of another model of the same class that has these shapes, or ``""``."""
    for other in usable_variants().values():
        if other.network == variant.network and other.name != variant.name:
            with torch.device("meta"):
                expected = build(other).state_dict()
            if shapes == {name: tuple(value.shape) for name, value in expected.items()}:
                return other.name
    return ""


def random_model(variant: Variant, config: dict[str, int], seed: int) -> tuple[nn.Module, Weights]:
    """A model with seeded random weights through which a signal survives.

    Its BatchNorm statistics are measured on a picture, as after training. With the constructor's
    statistics deep nets give the same output for all inputs, and a check would not notice damage.
    """
    torch.manual_seed(seed)
    model = build(variant, config)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.7, 1.3)
        nn.init.uniform_(norm.bias, -0.2, 0.2)
        norm.momentum = 1.0  # take the statistics of the next forward alone
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
        norm.running_var *= 2  # damps signals, so that rounding does not grow from layer to layer
    return model.eval(), Weights(f"random, seed {seed}", fingerprint(model))


def config_of(model: nn.Module) -> dict[str, int]:
    """The constructor options a model was built with."""
    return dict(model.config)  # type: ignore[arg-type]


def save_model(
    model: nn.Module, config: dict[str, Any], file: Path, state: Mapping[str, Tensor] | None = None
) -> None:
    """Write ``file`` (safetensors) and, beside it, its config as JSON of the same stem.

    Args:
        state: the tensors to write in place of the model's own, as in half precision.
    """
    state = model.state_dict() if state is None else state
    with atomic_file(file.with_suffix(".json")) as scratch:
        scratch.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    with atomic_file(file) as scratch:
        save_file({k: v.contiguous() for k, v in state.items()}, scratch)


def read_config(file: Path, variant: Variant) -> dict[str, int]:
    """The options in the config beside a checkpoint; others keep the variant's values."""
    for beside in (file.with_suffix(".json"), file.with_name("config.json")):
        if beside.is_file():
            try:
                written = parse(beside.read_text(encoding="utf-8"))
                named = written.pop("model", variant.name)
                config = {k: int(v) for k, v in written.items() if k in variant.config}
            except (ValueError, TypeError, AttributeError, OverflowError) as error:
                raise CheckpointError(f"{beside} is not a config ({error})") from None
            if named != variant.name:
                raise CheckpointError(f"{beside} is of the model {named!r}, not {variant.name!r}")
            return config
    return {}


def fingerprint(model: nn.Module) -> str:
    """sha256 over the names, dtypes, shapes and bytes of all tensors, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
