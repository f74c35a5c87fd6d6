"""Turns a convolution of concatenated maps into a sum of one convolution for each map.

conv([a, b]) = conv_a(a) + conv_b(b) takes as many multiplications but no concatenation, for which
some engines have to leave the blocks of 16 channels they work on. Engines fuse the sum into the
second convolution.
"""

import math
from functools import reduce

import torch
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import add_constant, value
from edgematte.export.passes.widen import groups, is_convolution

aten = torch.ops.aten
LEAST = (16, 32, 9)
"""Least outputs, inputs and taps: with fewer, a second convolution and a sum cost more than they
save."""


def split_concat(module: GraphModule) -> int:
    """Rewrite every convolution of one group whose input is a concatenation nothing else uses."""
    changed = 0
    for node in list(module.graph.nodes):
        if not is_convolution(node) or groups(node) > 1:
            continue
        whole = node.args[0]
        if whole.target is not aten.cat.default or whole.args[1:] != (1,) or len(whole.users) > 1:
            continue
        outputs, inputs, *kernel = value(module, node.args[1]).shape
        if outputs < LEAST[0] or inputs < LEAST[1] or math.prod(kernel) < LEAST[2]:
            continue
        with module.graph.inserting_before(node):
            parts = _parts(module, node, list(whole.args[0]))
            add = aten.add.Tensor
            node.replace_all_uses_with(
                reduce(lambda a, b: module.graph.call_function(add, (a, b)), parts)
            )
        module.graph.erase_node(node)
        module.graph.erase_node(whole)
        changed += 1
    return changed


def _parts(module: GraphModule, node: Node, maps: list[Node]) -> list[Node]:
    """One convolution for each map; the last one has the bias."""
    weight = value(module, node.args[1])
    convolutions, first = [], 0
    for part in maps:
        count = int(part.meta["val"].shape[1])
        own = add_constant(module, node, weight[:, first : first + count], "part_weight")
        arguments = [part, own, *node.args[2:]]
        if len(arguments) > 2 and part is not maps[-1]:
            arguments[2] = None
        convolutions.append(module.graph.call_function(aten.conv2d.default, tuple(arguments)))
        first += count
    return convolutions
