"""Giving a convolution with constant weights more channels, which hold zeros."""

from collections.abc import Sequence

import torch
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import add_constant, is_constant, value

aten = torch.ops.aten
_DEFAULTS = ([1, 1], [0, 0], [1, 1], 1)


def is_convolution(node: object) -> bool:
    """Whether a node is a 2-D convolution whose weight is a constant."""
    return (
        isinstance(node, Node) and node.target is aten.conv2d.default and is_constant(node.args[1])
    )


def groups(node: Node) -> int:
    """The number of groups of a convolution."""
    count = node.args[6] if len(node.args) > 6 else 1
    assert isinstance(count, int)
    return count


def widen(
    module: GraphModule,
    node: Node,
    *,
    outputs: tuple[Sequence[int], int] | None = None,
    inputs: tuple[Sequence[int], int] | None = None,
) -> None:
    """Spread a convolution's channels over more: (places of the old channels, new number).

    For a depthwise convolution give ``outputs`` only; its inputs are placed as its outputs.
    """
    weight = value(module, node.args[1])
    depthwise = groups(node) > 1
    out, count = outputs or (range(weight.shape[0]), weight.shape[0])
    into, depth = inputs or (range(weight.shape[1]), weight.shape[1])
    rows = weight.new_zeros(weight.shape[0], depth, *weight.shape[2:])
    rows[:, list(into)] = weight
    wide = weight.new_zeros(count, depth, *weight.shape[2:])
    wide[list(out)] = rows
    arguments = list(node.args)
    arguments[1] = add_constant(module, node, wide, "wide_weight")
    if outputs and len(arguments) > 2 and arguments[2] is not None:
        bias = value(module, arguments[2])
        spread = bias.new_zeros(count)
        spread[list(out)] = bias
        arguments[2] = add_constant(module, node, spread, "wide_bias")
    if depthwise:
        arguments += [None, *_DEFAULTS][len(arguments) - 2 :]
        arguments[6] = count
    node.args = tuple(arguments)
