"""Starting a part of a model from a plain pretrained backbone: what all key maps share.

A key map says how a published layout names what a module of ours holds. Everything the module needs
must be there and fit, and nothing else may be there but what is known to be of no use here, such as
a classifier's last layer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgematte.errors import CheckpointError

NAMED = 5  # keys of each kind that an error spells out


def _as_it_is(name: str, value: Tensor, own: Tensor) -> Tensor:
    return value


@dataclass(frozen=True)
class Layout:
    """How files of a published layout name the parameters and buffers of a module.

    `rules` turn our names into theirs: pattern and replacement, one after the other. `stays` are
    names of ours that no such file holds and that stay as built; `ignored` names of theirs that are
    of no use. `adapt(our name, their value, our value)` gives a value the module's shape; what it
    does not know it gives back.
    """

    name: str  # as errors call it
    rules: Sequence[tuple[str, str]]
    stays: str = r"(?!)"
    ignored: str = r"(?!)"
    adapt: Callable[[str, Tensor, Tensor], Tensor] = _as_it_is

    def theirs(self, name: str) -> str:
        """What such a file calls a name of ours."""
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name


@torch.no_grad()
def start(module: nn.Module, state: dict[str, Tensor], layout: Layout, source: str) -> None:
    """Give a module the values of a pretrained backbone's state; `source` names it in errors.

    Raises:
        CheckpointError: keys are missing or not known, a size differs, or a value is not finite.
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
    """A first convolution (out, c, h, w) that sees further channels, which count for nothing."""
    more = channels - weight.shape[1]
    if more <= 0:
        return weight
    return torch.cat([weight, weight.new_zeros(len(weight), more, *weight.shape[2:])], dim=1)


def without_prefixes(state: dict[str, Tensor], prefixes: Sequence[str]) -> dict[str, Tensor]:
    """The state with any of these prefixes taken from the names, in their order."""
    tensors = {}
    for name, value in state.items():
        for prefix in prefixes:
            name = name.removeprefix(prefix)
        tensors[name] = value
    return tensors


def _some(word: str, names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} keys {word} ({', '.join(names[:NAMED])}{more})" if names else ""
