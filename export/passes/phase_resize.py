"""Computes bilinear enlarging of a few planes by a whole factor n as convolution and pixel shuffle.

Along one axis the n results around x[i] lie between x[i-1] and x[i], or between x[i] and x[i+1],
and are given by n fixed kernels of three taps. In two dimensions that is a 3x3 convolution with n *
n outputs for each plane, on the small planes with their border repeated. Engines' own interpolation
of three planes to full resolution is several times slower.
"""

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import add_constant

aten = torch.ops.aten
MOST_CHANNELS = 4
LEAST_FACTOR = 4


def phase_resize(module: GraphModule) -> int:
    """Rewrite every bilinear enlarging (B, C <= 4, h, w) by one whole factor of 4 or more."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.upsample_bilinear2d.vec or not _matches(node):
            continue
        small, factor = node.args[0], int(node.args[3][0])
        kernels = phase_kernels(factor)
        channels = int(small.meta["val"].shape[1])
        weight = torch.zeros(channels, factor**2, channels, 3, 3)
        for i in range(channels):
            weight[i, :, i] = kernels
        constant = add_constant(module, node, weight.flatten(0, 1), "resize_weight")
        call = module.graph.call_function
        with module.graph.inserting_before(node):
            framed = call(aten.pad.default, (small, [1, 1, 1, 1], "replicate"))
            settings = ([1, 1], [0, 0], [1, 1], 1)
            made = call(aten.conv2d.default, (framed, constant, None, *settings))
            node.replace_all_uses_with(call(aten.pixel_shuffle.default, (made, factor)))
        module.graph.erase_node(node)
        changed += 1
    return changed


def _matches(node: Node) -> bool:
    small, factors = node.args[0], node.args[3]
    assert isinstance(small, Node)
    if node.args[2] is not False or not isinstance(factors, list | tuple):
        return False
    factor = factors[0]
    assert isinstance(factor, float)
    whole = factor.is_integer() and factor >= LEAST_FACTOR and factors[1] == factor
    return bool(whole) and int(small.meta["val"].shape[1]) <= MOST_CHANNELS


def phase_kernels(factor: int) -> Tensor:
    """(factor * factor, 3, 3): the weight of each 3x3 neighbour in each result around x[i, j]."""
    places = (torch.arange(factor, dtype=torch.float64) + 0.5) / factor - 0.5  # from x[i]
    taps = torch.arange(-1, 2, dtype=torch.float64)
    line = (1 - (places[:, None] - taps).abs()).clamp(min=0)
    return torch.einsum("pa,qb->pqab", line, line).flatten(0, 1).to(torch.float32)
