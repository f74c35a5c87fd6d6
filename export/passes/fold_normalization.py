"""Folds the shifting and scaling of a picture's channels into the convolution that follows.

w * ((x - m) / s) + b = (w / s) * x + (b - sum(w * m / s)). So a convolution of patches without
padding can do the shifting and scaling, which saves two passes over the full-resolution picture. A
convolution with padding cannot, because its border is padded with zeros after the shift.
"""

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import add_constant, is_constant, value
from edgematte.export.passes.widen import groups, is_convolution

aten = torch.ops.aten
STEPS = (aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor)


def fold_normalization(module: GraphModule) -> int:
    """Fold every chain of sums and products with constants per channel that feeds such a layer."""
    changed = 0
    for node in list(module.graph.nodes):
        if not is_convolution(node) or groups(node) > 1 or _padded(node):
            continue
        scale, shift = torch.ones(1), torch.zeros(1)
        source = node.args[0]
        while (step := _step(module, source)) is not None:
            times, plus = step  # x * times + plus comes before the steps collected so far
            shift = shift + scale * plus
            scale = scale * times
            source = source.args[0]
        if source is node.args[0]:
            continue
        _fold(module, node, source, scale, shift)
        changed += 1
    return changed


def _padded(node: Node) -> bool:
    padding = node.args[4] if len(node.args) > 4 else [0, 0]
    return padding != [0, 0]


def _step(module: GraphModule, node: object) -> tuple[Tensor, Tensor] | None:
    """The factors and terms of a sum or product with a constant that only the next node uses."""
    if not isinstance(node, Node) or node.target not in STEPS or len(node.users) != 1:
        return None
    if node.kwargs or not isinstance(node.args[0], Node) or is_constant(node.args[0]):
        return None
    constant = _channels(module, node.args[1], int(node.meta["val"].shape[1]))
    if constant is None or node.args[0].meta["val"].shape != node.meta["val"].shape:
        return None
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    if node.target is aten.add.Tensor:
        return one, constant
    if node.target is aten.sub.Tensor:
        return one, -constant
    return (constant if node.target is aten.mul.Tensor else 1 / constant), zero


def _channels(module: GraphModule, given: object, channels: int) -> Tensor | None:
    """A number, or a constant with a number for each channel, as a tensor (1) or (C)."""
    if isinstance(given, int | float):
        return torch.tensor([given], dtype=torch.float64)
    if not is_constant(given):
        return None
    constant = value(module, given).double()
    if constant.numel() == 1:
        return constant.reshape(1)
    fits = constant.ndim >= 3 and tuple(constant.shape[-3:]) == (channels, 1, 1)
    return constant.flatten() if fits and constant.numel() == channels else None


def _fold(module: GraphModule, node: Node, source: Node, scale: Tensor, shift: Tensor) -> None:
    weight = value(module, node.args[1])
    wide = weight.double()
    old = node.args[2] if len(node.args) > 2 else None
    bias = (wide * shift.reshape(1, -1, 1, 1)).sum(dim=(1, 2, 3))
    if old is not None:
        bias = bias + value(module, old).double()
    scaled = (wide * scale.reshape(1, -1, 1, 1)).to(weight.dtype)
    arguments = [source, add_constant(module, node, scaled, "scaled_weight")]
    arguments.append(add_constant(module, node, bias.to(weight.dtype), "shifted_bias"))
    node.args = (*arguments, *node.args[3:])
