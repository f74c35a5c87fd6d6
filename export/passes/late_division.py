"""softmax(x) @ v as exp(x - max) @ v, divided by the sums afterwards: softmax of many tiny rows.

The division is one a result instead of one a weight. More than that, it keeps OpenVINO from fusing
the whole attention into one kernel a matrix pair, which for pairs of 9x9 takes longer than
all the rest of a block.
"""

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten
LONGEST = 12
"""Weights of a row. *Measured*: with 9 of them a block takes half the time in OpenVINO; with 49 it
makes no difference."""


def late_division(module: GraphModule) -> int:
    """Rewrite every product of a softmax over at most 12 entries, the last axis, with values."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.matmul.default or not _matches(node.args[0]):
            continue
        softmax, values = node.args
        call = module.graph.call_function
        with module.graph.inserting_before(node):
            logits = softmax.args[0]
            top = call(aten.amax.default, (logits, [-1], True))
            powers = call(aten.exp.default, (call(aten.sub.Tensor, (logits, top)),))
            total = call(aten.sum.dim_IntList, (powers, [-1], True))
            mixed = call(aten.matmul.default, (powers, values))
            node.replace_all_uses_with(call(aten.div.Tensor, (mixed, total)))
        module.graph.erase_node(node)
        changed += 1
    return changed


def _matches(node: object) -> bool:
    if not isinstance(node, Node) or node.target is not aten.softmax.int or len(node.users) != 1:
        return False
    shape = node.meta["val"].shape
    return node.args[1] in (-1, len(shape) - 1) and int(shape[-1]) <= LONGEST
