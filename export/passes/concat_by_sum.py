"""Turns a concatenation of few channels into a sum of maps with zeros in each other's channels.

An engine that works on blocks of 16 channels reorders both maps to concatenate 8 and 8 channels.
Where convolutions make the maps, each can write its channels at the right place of a block at once,
with zeros elsewhere; the engine then fuses the sum into one of the convolutions.
"""

from functools import reduce

import torch
from torch.fx import GraphModule, Node

from edgematte.export.passes.widen import groups, is_convolution, widen

aten = torch.ops.aten
MOST_CHANNELS = 16
_THROUGH = (aten.relu.default, aten.upsample_nearest2d.vec, aten.avg_pool2d.default)


def concat_by_sum(module: GraphModule) -> int:
    """Rewrite concatenations of up to 16 channels of convolutions that nothing else uses."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.cat.default or node.args[1:] != (1,):
            continue
        parts = list(node.args[0])
        total = sum(int(p.meta["val"].shape[1]) for p in parts)
        if total > MOST_CHANNELS or len(parts) < 2 or not all(_made_for_one(p) for p in parts):
            continue
        first = 0
        for part in parts:
            count = int(part.meta["val"].shape[1])
            _place(module, part, range(first, first + count), total)
            first += count
        with module.graph.inserting_before(node):
            add = aten.add.Tensor
            total_map = reduce(lambda a, b: module.graph.call_function(add, (a, b)), parts)
        node.replace_all_uses_with(total_map)
        module.graph.erase_node(node)
        changed += 1
    return changed


def _made_for_one(node: object) -> bool:
    """Whether only convolutions make a map, nothing else uses it, and zeros in it stay zeros."""
    if not isinstance(node, Node) or len(node.users) != 1:
        return False
    if is_convolution(node):
        return groups(node) == 1
    if node.target in _THROUGH:
        return _made_for_one(node.args[0])
    if node.target is aten.add.Tensor and not node.kwargs:
        return all(_made_for_one(side) for side in node.args[:2])
    return False


def _place(module: GraphModule, node: Node, positions: range, total: int) -> None:
    if is_convolution(node):
        widen(module, node, outputs=(positions, total))
        return
    for inner in node.args[: 2 if node.target is aten.add.Tensor else 1]:
        assert isinstance(inner, Node)
        _place(module, inner, positions, total)
