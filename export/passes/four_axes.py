"""Moves axes in tensors of at most four axes, where fewer do.

Attention over windows cuts maps into five or six axes, swaps two of them and joins them again.
GPUs of phones have tensors of batch, height, width and channels only. Axes of length one, and axes
that stay side by side, count as none. What still moves five or six axes, such as pixels at equal
strides of both axes, is moved in steps of four: (rows, s, columns, s, C) -> (s, rows, columns * s
* C) -> (s, s, rows * columns, C).
"""

import math
from collections.abc import Iterator
from functools import cache
from itertools import combinations, pairwise, permutations
from typing import Any

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten
MOST_AXES = 4
MOST_MOVED = 6
"""Axes of which a way of moving them is searched; there are 720 orders of six."""
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
Step = tuple[tuple[int, ...], tuple[int, ...]]
"""Where axes are cut into blocks, from 0 to their number, and the new order of the blocks."""


def four_axes(module: GraphModule) -> int:
    """Rewrite permutations of more than four axes as such of four.

    Those that take several steps are rewritten only where nothing before and after them has more
    axes.
    """
    changed = 0
    for node in reversed(list(module.graph.nodes)):  # those that follow others first
        if not node.users:
            continue
        order = _order(node)
        if order is None:
            continue
        source = node.args[0]
        while (before := _order(source)) is not None:  # one permutation after the other
            order, source = [before[axis] for axis in order], source.args[0]
        shape = _shape(source)
        merged = _merged(shape, order)
        if len(merged) > MOST_AXES and (len(merged) > MOST_MOVED or not _inside(node, source)):
            continue
        rank = {first: place for place, (first, _) in enumerate(sorted(merged))}
        sides = [side for _, side in sorted(merged)]
        with module.graph.inserting_before(node):
            call = module.graph.call_function
            moved = _source(source)
            for cuts, turn in _steps(tuple(rank[first] for first, _ in merged)):
                blocks = [sides[a:b] for a, b in pairwise(cuts)]
                lengths = [math.prod(block) for block in blocks]
                flat = call(aten.reshape.default, (moved, lengths))
                moved = call(aten.permute.default, (flat, list(turn)))
                sides = [side for place in turn for side in blocks[place]]
            made = call(aten.reshape.default, (moved, [shape[axis] for axis in order]))
            made.meta["val"] = node.meta["val"]
        node.replace_all_uses_with(made)
        module.graph.erase_node(node)
        changed += 1
    if changed:
        _join_shapes(module)
    return changed


@cache
def _steps(wanted: tuple[int, ...]) -> list[Step]:
    """The fewest steps that bring axes 0, 1, 2 ... into an order, by a breadth-first search."""
    first = tuple(range(len(wanted)))
    ways: dict[tuple[int, ...], list[Step]] = {first: []}
    reached = [first]
    for order in reached:
        if order == wanted:
            break
        for cuts, turn in _possible(len(wanted)):
            blocks = [order[a:b] for a, b in pairwise(cuts)]
            new = tuple(axis for place in turn for axis in blocks[place])
            if new not in ways:
                ways[new] = [*ways[order], (cuts, turn)]
                reached.append(new)
    return ways[wanted]


def _possible(count: int) -> Iterator[Step]:
    """Steps of so many axes; those that leave the last block where it is first: they copy rows."""
    for stay in (True, False):
        for blocks in range(2, min(count, MOST_AXES) + 1):
            for inner in combinations(range(1, count), blocks - 1):
                for turn in permutations(range(blocks)):
                    if (turn[-1] == blocks - 1) == stay:
                        yield (0, *inner, count), turn


def _order(node: Any) -> list[int] | None:
    """The order of axes of a permutation of more than four, of known lengths; else None."""
    if not isinstance(node, Node) or node.target not in (aten.permute.default, aten.transpose.int):
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


def _inside(node: Node, source: Any) -> bool:
    """Whether reshapes alone lead from at most four axes to a permutation, and to them again."""
    if len(_shape(_source(source))) > MOST_AXES:
        return False
    after = list(node.users)
    for user in after:
        if user.target not in SHAPES:
            return False
        if len(_shape(user)) > MOST_AXES:
            after += user.users
    return True


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
