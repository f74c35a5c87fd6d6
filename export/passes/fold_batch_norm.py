"""Folds BatchNorm into the convolutions before it, also through sums and nearest upsampling.

In y = scale * (conv_a(x) + up(conv_b(z))) + shift both convolutions are scaled and one takes the
shift.
Stock tools fold a BatchNorm only into one convolution right before it; an octave convolution
normalises the sum of two.
"""

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import add_constant, is_constant, value

aten = torch.ops.aten


def fold_batch_norm(module: GraphModule) -> int:
    """Fold every BatchNorm whose input only convolutions make."""
    folded = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.batch_norm.default or not _foldable(node.args[0]):
            continue
        weight, bias, mean, var = (value(module, n).double() for n in node.args[1:5])
        scale = weight / torch.sqrt(var + node.args[7])
        _push(module, node.args[0], scale, bias - mean * scale)
        node.replace_all_uses_with(node.args[0])
        module.graph.erase_node(node)
        folded += 1
    return folded


def _foldable(node: object) -> bool:
    if not isinstance(node, Node) or len(node.users) != 1:
        return False
    if node.target is aten.conv2d.default:
        return is_constant(node.args[1])
    if node.target is aten.upsample_nearest2d.vec:
        return _foldable(node.args[0])
    if node.target is aten.add.Tensor and not node.kwargs:
        sides = node.args[:2]
        same = all(
            isinstance(s, Node) and s.meta["val"].shape == node.meta["val"].shape for s in sides
        )
        return same and sides[0] is not sides[1] and all(_foldable(s) for s in sides)
    return False


def _push(module: GraphModule, node: Node, scale: Tensor, shift: Tensor | None) -> None:
    """Make ``node`` compute scale * itself + shift."""
    if node.target is aten.conv2d.default:
        weight = value(module, node.args[1])
        scaled = (weight.double() * scale[:, None, None, None]).to(weight.dtype)
        old = node.args[2] if len(node.args) > 2 else None
        bias = shift
        if old is not None:
            scaled_bias = value(module, old).double() * scale
            bias = scaled_bias if shift is None else scaled_bias + shift
        arguments = list(node.args)
        arguments[1] = add_constant(module, node, scaled, "folded_weight")
        if bias is not None:
            constant = add_constant(module, node, bias.to(weight.dtype), "folded_bias")
            arguments[2:3] = [constant]
        node.args = tuple(arguments)
        return
    inner = [a for a in node.args if isinstance(a, Node)]
    _push(module, inner[0], scale, shift)
    for other in inner[1:]:
        _push(module, other, scale, None)
