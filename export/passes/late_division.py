"""Computes softmax(x) @ v as exp(x - max) @ v, divided by the sums afterwards, for many tiny rows.

There is one division for each result instead of one for each weight. More importantly, it keeps
OpenVINO from fusing the whole attention into one kernel call for each pair of matrices, which for
pairs of 9x9 takes longer than all the rest of a block.
"""

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten
LONGEST = 12
"""Longest row that is rewritten. *Measured*: with rows of 9 weights a block takes half the time in
OpenVINO; with 49 it makes no difference."""


def late_division(module: GraphModule) -> int:
    """Rewrite every product of values with a softmax over a last axis of at most 12 entries."""
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
