"""Reading tensors by name from a file, out of what training programs wrap them in."""

import argparse
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from edgematte.errors import CheckpointError, line_of

WRAPPERS = (
    # averaged weights, which training programs evaluate, come before the weights themselves
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "params_ema",
    "ema",
    "teacher",
    "state_dict",
    "model_state_dict",
    "model",
    "mat_model",
    "params",
    "student",
    "module",
)
"""Wrappers of weights, of which the first one counts: keys of a dictionary, or prefixes of names
(``model.`` from Lightning, ``module.`` from DataParallel and torch's averages)."""
COMPILED = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Parts that torch inserts into names, at any place."""
SHARE = 0.5  # a prefix counts as a wrapper if at least this share of the names has it


@dataclass(frozen=True)
class StateDict:
    """The contents of a file of weights."""

    tensors: dict[str, Tensor]  # floating ones are float32
    notes: tuple[str, ...] = ()  # which wrappers were removed, and what was converted
    metadata: dict[str, str] = field(default_factory=dict)  # of a safetensors file


def read_state_dict(file: Path) -> StateDict:
    """The tensors of a file by name, without wrappers; never executes what the file holds.

    float16, bfloat16 and float64 are converted to float32; other types stay as they are.

    Raises:
        CheckpointError: the file is unreadable, or holds no tensors by name.
    """
    if not file.is_file():
        raise CheckpointError(f"no checkpoint at {file}")
    stored = _safetensors(file) if file.suffix == ".safetensors" else _pickled(file)
    tensors, notes = _unwrapped(stored, file)
    metadata = _metadata(file) if file.suffix == ".safetensors" else {}
    return StateDict(*_in_float32(tensors, notes), metadata)


def _safetensors(file: Path) -> dict[str, Tensor]:
    try:
        stored: dict[str, Tensor] = load_file(file)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file} is not a safetensors file ({error})") from None
    return stored


def _metadata(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as stored:
        return dict(stored.metadata() or {})


def _pickled(file: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that warns of pickles, which it then refuses
            # Training programs keep their options beside the weights; they hold no code.
            with torch.serialization.safe_globals([argparse.Namespace]):
                return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        first = line_of(error, 120)
        raise CheckpointError(f"{file} cannot be read as plain weights ({first})") from None


def _unwrapped(stored: Any, file: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    notes: list[str] = []
    while isinstance(stored, dict):
        inside = [name for name in WRAPPERS if _holds_tensors(stored.get(name))]
        if not inside:
            break
        stored = stored[inside[0]]
        notes.append(f"taken from {inside[0]!r}{_beside(inside[1:])}")
    if not _is_state(stored):
        raise CheckpointError(f"{file} holds no dictionary of tensors")
    state = _plain_names(stored, file, notes)
    while group := _groups(state):
        first, *others = group
        inner = _under(state, first)
        left = len(state) - sum(len(_under(state, name)) for name in group)
        outside = f", tensors outside of it left out: {left}" if left else ""
        notes.append(f"prefix {first + '.'!r} removed{_beside(others)}{outside}")
        state = _plain_names(inner, file, notes)
    return state, tuple(notes)


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items()
    )


def _holds_tensors(value: Any) -> bool:
    """Whether a value is a state, or wraps one."""
    if not isinstance(value, dict) or not value:
        return False
    return _is_state(value) or any(_holds_tensors(value.get(name)) for name in WRAPPERS)


def _groups(state: dict[str, Tensor]) -> list[str]:
    """The wrappers that most names start with, in the order of preference."""
    sizes = {name: len(_under(state, name)) for name in WRAPPERS}
    most = max(sizes.values())
    if sum(sizes.values()) <= SHARE * len(state):
        return []
    large = [name for name in WRAPPERS if sizes[name] > SHARE * most]
    return [*large, *(name for name in WRAPPERS if 0 < sizes[name] and name not in large)]


def _under(state: dict[str, Tensor], wrapper: str) -> dict[str, Tensor]:
    start = f"{wrapper}."
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


def _beside(others: list[str]) -> str:
    return f", not from {', '.join(map(repr, others))}" if others else ""


def _plain_names(state: dict[str, Tensor], file: Path, notes: list[str]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        plain = name
        for part in COMPILED:
            plain = plain.replace(part, "")
        if plain in tensors:
            raise CheckpointError(f"{file} holds {plain} twice, with and without {COMPILED[0]!r}")
        tensors[plain] = value
    parts = [part for part in COMPILED if any(part in name for name in state)]
    notes += [f"{part!r} removed" for part in parts]
    return tensors


def _in_float32(
    tensors: dict[str, Tensor], notes: tuple[str, ...]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    others = {str(v.dtype) for v in tensors.values() if v.is_floating_point()} - {"torch.float32"}
    if not others:
        return tensors, notes
    names = " and ".join(sorted(name.removeprefix("torch.") for name in others))
    converted = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    return converted, (*notes, f"{names} converted to float32")


def load_into(model: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    """Give a model the tensors of ``file``.

    Raises:
        CheckpointError: names, shapes or types are not the model's, or a value is not finite.
    """
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
        if tensor.is_floating_point() and not state[name].is_floating_point():
            kind = str(state[name].dtype).removeprefix("torch.")
            raise CheckpointError(
                f"{file}: {name} holds {kind}, where floats should be: give the checkpoint from "
                "before it was quantized"
            )
        if not torch.isfinite(state[name].float()).all():
            raise CheckpointError(
                f"{file}: {name} holds values that are not finite (NaN or infinity)"
            )
    model.load_state_dict(state)


def _some(word: str, names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{len(names)} keys {word} ({', '.join(names[:5])}{more})" if names else ""
