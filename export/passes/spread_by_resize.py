"""Spreads one value a channel over a map by a nearest resize.

It is what an expansion of height and width does, by an operator that all accelerators have.
LiteRT's converter also gives the expansion the wrong order of axes.
"""

import torch
from torch.fx import GraphModule

aten = torch.ops.aten
EXPANSIONS = (aten.expand.default, aten.expand_as.default)


def spread_by_resize(module: GraphModule) -> int:
    """Rewrite every expansion of a computed (B, C, 1, 1) to (B, C, H, W)."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target not in EXPANSIONS or node.args[0].op == "get_attr":
            continue
        before, after = (tuple(n.meta["val"].shape) for n in (node.args[0], node))
        if len(before) != 4 or before[2:] != (1, 1) or before[:2] != after[:2]:
            continue
        if after[2:] == (1, 1):
            continue
        with module.graph.inserting_before(node):
            made = module.graph.call_function(
                aten.upsample_nearest2d.vec, (node.args[0], list(after[2:]), None)
            )
        node.replace_all_uses_with(made)
        module.graph.erase_node(node)
        changed += 1
    return changed
