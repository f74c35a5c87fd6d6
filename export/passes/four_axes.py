"""Moves axes in tensors of at most four axes, where fewer do.

Attention over windows cuts maps into five or six axes, swaps two of them and joins them again.
GPUs of phones have tensors of batch, height, width and channels only. Axes of length one, and axes
that stay side by side, count as none.
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten
MOST_AXES = 4
SHAPES = (
    aten.view.default,
    aten.reshape.default,
    aten.flatten.using_ints,
    aten.unflatten.int,
    aten.unsqueeze.default,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.contiguous.default,
    aten.clone.default,
)
"""Operators that keep the order of the values."""


def four_axes(module: GraphModule) -> int:
    """Rewrite every permutation of more than four axes that four can do."""
    changed = 0
    for node in list(module.graph.nodes):
        order = _order(node)
        if order is None:
            continue
        shape = _shape(node.args[0])
        merged = _merged(shape, order)
        if len(merged) > MOST_AXES:
            continue
        sides = [side for _, side in sorted(merged)]
        rank = {first: place for place, (first, _) in enumerate(sorted(merged))}
        with module.graph.inserting_before(node):
            call = module.graph.call_function
            flat = call(aten.reshape.default, (_source(node.args[0]), sides))
            moved = call(aten.permute.default, (flat, [rank[first] for first, _ in merged]))
            made = call(aten.reshape.default, (moved, [shape[axis] for axis in order]))
            made.meta["val"] = node.meta["val"]
        node.replace_all_uses_with(made)
        module.graph.erase_node(node)
        changed += 1
    if changed:
        _join_shapes(module)
    return changed


def _order(node: Node) -> list[int] | None:
    """The order of axes of a permutation of more than four, of known lengths; else None."""
    if node.target not in (aten.permute.default, aten.transpose.int):
        return None
    shape = _shape(node.args[0])
    if len(shape) <= MOST_AXES or not all(isinstance(side, int) for side in shape):
        return None
    if node.target is aten.permute.default:
        axes: Any = node.args[1]
        return [axis % len(shape) for axis in axes]
    order = list(range(len(shape)))
    one, other = (int(axis) % len(shape) for axis in node.args[1:3])  # type: ignore[arg-type]
    order[one], order[other] = order[other], order[one]
    return order


def _merged(shape: list[int], order: list[int]) -> list[tuple[int, int]]:
    """Groups of axes that stay together: (first axis, length), in the order of the result."""
    kept = [axis for axis in order if shape[axis] != 1]
    place = {axis: n for n, axis in enumerate(sorted(kept))}
    starts = [0] + [n + 1 for n, (a, b) in enumerate(pairwise(kept)) if place[b] != place[a] + 1]
    groups = [kept[a:b] for a, b in pairwise([*starts, len(kept)])]
    return [(group[0], math.prod(shape[axis] for axis in group)) for group in groups if group]


def _join_shapes(module: GraphModule) -> None:
    """Of reshapes in a row keep the last, so that no tensor between them has more axes."""
    for node in module.graph.nodes:
        if node.target not in SHAPES or not isinstance(node.args[0], Node):
            continue
        source = _source(node.args[0])
        if source is not node.args[0]:
            node.target = aten.reshape.default
            node.args, node.kwargs = (source, _shape(node)), {}


def _source(node: Any) -> Node:
    """Where values come from before reshapes to more than four axes."""
    while node.target in SHAPES and len(_shape(node)) > MOST_AXES:
        node = node.args[0]
    assert isinstance(node, Node)
    return node


def _shape(node: Any) -> list[int]:
    return list(node.meta["val"].shape)
