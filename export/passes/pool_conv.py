"""Joins average pooling and the 1x1 convolution after it into a convolution of the pool's stride.

The weighted mean of k x k pixels is the sum of the k x k pixels, each with 1 / (k * k) of the
weight: a k x k kernel of equal taps. In float that is more work than it saves. In INT8 it saves a
kernel that engines run slowly, and one rounding to 8 bits.
"""

from typing import cast

import torch
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import add_constant, is_constant, value

aten = torch.ops.aten
PLAIN = ([1, 1], [0, 0], [1, 1], 1)


def pool_conv(module: GraphModule) -> int:
    """Rewrite every 1x1 convolution whose input is an average pool that nothing else uses."""
    changed = 0
    for node in list(module.graph.nodes):
        if not _matches(node):
            continue
        pool = node.args[0]
        side = int(pool.args[1][0])
        taps = (value(module, node.args[1]) / side**2).expand(-1, -1, side, side)
        constant = add_constant(module, node, taps, "pool_weight")
        bias = node.args[2] if len(node.args) > 2 else None
        settings = ([side, side], [0, 0], [1, 1], 1)
        with module.graph.inserting_before(node):
            made = module.graph.call_function(
                aten.conv2d.default, (pool.args[0], constant, bias, *settings)
            )
        node.replace_all_uses_with(made)
        module.graph.erase_node(node)
        changed += 1
    return changed


def _matches(node: Node) -> bool:
    if node.target is not aten.conv2d.default or not is_constant(node.args[1]):
        return False
    pool, weight = node.args[0], node.args[1]
    assert isinstance(weight, Node)
    settings = [*node.args[3:], *PLAIN[max(len(node.args) - 3, 0) :]]
    if settings != [*PLAIN] or tuple(weight.meta["val"].shape[2:]) != (1, 1):
        return False
    if not isinstance(pool, Node) or pool.target is not aten.avg_pool2d.default:
        return False
    kernel = cast(list[int], pool.args[1])
    stride = cast(list[int], pool.args[2]) if len(pool.args) > 2 else []
    tiles = kernel[0] == kernel[1] and stride in ([], kernel)
    return tiles and len(pool.args) < 4 and len(pool.users) == 1
