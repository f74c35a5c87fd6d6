"""Turns a transposed convolution of stride 1 into a padded convolution with the flipped kernel.

Both compute the same sum of inputs for every output. Engines have fast convolutions for tiny maps,
but compute a transposed one by a matrix product and a scattered sum, one map at a time.
"""

import torch
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import add_constant, is_constant, value

aten = torch.ops.aten
PLAIN = ([1, 1], [0, 0], [0, 0], 1, [1, 1])  # stride, padding, output padding, groups, dilation


def transposed_conv(module: GraphModule) -> int:
    """Rewrite every transposed 2-D convolution of stride 1 without padding, groups or dilation."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.conv_transpose2d.input or not _matches(node):
            continue
        weight = value(module, node.args[1])
        turned = weight.transpose(0, 1).flip(2, 3)
        constant = add_constant(module, node, turned, "turned_weight")
        bias = node.args[2] if len(node.args) > 2 else None
        padding = [int(n) - 1 for n in weight.shape[2:]]
        settings = ([1, 1], padding, [1, 1], 1)
        with module.graph.inserting_before(node):
            made = module.graph.call_function(
                aten.conv2d.default, (node.args[0], constant, bias, *settings)
            )
        made.meta["val"] = node.meta["val"]
        node.replace_all_uses_with(made)
        module.graph.erase_node(node)
        changed += 1
    return changed


def _matches(node: Node) -> bool:
    given = [*node.args[3:], *PLAIN[max(len(node.args) - 3, 0) :]]
    return is_constant(node.args[1]) and given == [*PLAIN]
