"""Starting a part of a model from a pretrained backbone, by a map of names.

The map says how a published layout names the parameters of a module of ours. All parameters that
the module needs must be in the file and fit. Other parameters are refused, except those that are
listed as useless here, such as a classifier's last layer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgematte.errors import CheckpointError

NAMED = 5  # how many keys of each kind an error lists


def _as_it_is(name: str, value: Tensor, own: Tensor) -> Tensor:
    return value


@dataclass(frozen=True)
class Layout:
    """How files of a published layout name the parameters and buffers of a module.

    `rules` (pattern, replacement), applied in order, turn our names into theirs. `stays` matches
    our names that no such file has, whose values are not changed; `ignored` matches their names
    that are not used. `adapt(our name, their value, our value)` changes the shape of a value to the
    module's, or returns it unchanged.
    """

    name: str  # its name in errors
    rules: Sequence[tuple[str, str]]
    stays: str = r"(?!)"
    ignored: str = r"(?!)"
    adapt: Callable[[str, Tensor, Tensor], Tensor] = _as_it_is

    def theirs(self, name: str) -> str:
        """The name that such a file has for a name of ours."""
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name


@torch.no_grad()
def start(module: nn.Module, state: dict[str, Tensor], layout: Layout, source: str) -> None:
    """Copy the values of a pretrained backbone's state to a module; errors name it as `source`.

    Raises:
        CheckpointError: keys are missing or unexpected, a size differs, or a value is not finite.
    """
    own = {k: v for k, v in module.state_dict().items() if not re.search(layout.stays, k)}
    expected = {layout.theirs(name): name for name in own}
    missing = sorted(expected.keys() - state.keys())
    extra = sorted(k for k in state if k not in expected and not re.search(layout.ignored, k))
    if missing or extra:
        parts = [_some("missing", missing), _some("not known", extra)]
        told = "; ".join(part for part in parts if part)
        raise CheckpointError(f"{source} is no {layout.name} for this model: {told}")
    taken = {name: layout.adapt(name, state[key], own[name]) for key, name in expected.items()}
    for key, name in expected.items():
        if taken[name].shape != own[name].shape:
            raise CheckpointError(
                f"{source}: {key} has shape {list(state[key].shape)}, which does not fit the "
                f"model's {list(own[name].shape)}: give the {layout.name} of the model's size"
            )
        if not torch.isfinite(taken[name]).all():
            raise CheckpointError(f"{source}: {key} holds values that are not finite")
    module.load_state_dict(taken, strict=False)


def widened(weight: Tensor, channels: int) -> Tensor:
    """The weight (out, c, h, w) of a first convolution with more input channels, of zeros."""
    more = channels - weight.shape[1]
    if more <= 0:
        return weight
    return torch.cat([weight, weight.new_zeros(len(weight), more, *weight.shape[2:])], dim=1)


def without_prefixes(state: dict[str, Tensor], prefixes: Sequence[str]) -> dict[str, Tensor]:
    """The state with these prefixes removed from its names, in their order."""
    tensors = {}
    for name, value in state.items():
        for prefix in prefixes:
            name = name.removeprefix(prefix)
        tensors[name] = value
    return tensors


def _some(word: str, names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} keys {word} ({', '.join(names[:NAMED])}{more})" if names else ""
