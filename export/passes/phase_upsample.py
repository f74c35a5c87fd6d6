"""Turns bilinear x2 and a 3x3 convolution into four phase convolutions before the enlarging.

Along one axis the enlarged map is U[2i] = x[i-1]/4 + 3x[i]/4 and U[2i+1] = 3x[i]/4 + x[i+1]/4, so a
3-tap kernel w on U is, for even and odd outputs, two 3-tap kernels on x:

    even: (3w0 + w1)/4,  (w0 + 3w1 + 3w2)/4,  w2/4        odd: mirrored

In two dimensions that is one 3x3 convolution with four times the outputs at a quarter of the
pixels, then a pixel shuffle. Only the outermost two rows and columns differ, because the small map
repeats its border while the convolution pads the large one with zeros. They are computed by the
original operators, on strips of two rows or columns of the small map.
"""

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import add_constant, is_constant, value

aten = torch.ops.aten
RING = 2  # rows and columns at each border that are not computed by phases

_EVEN = torch.tensor([[3, 1, 0], [1, 3, 3], [0, 0, 1]], dtype=torch.float64) / 4
_PHASES = torch.stack([_EVEN, _EVEN.flip(0, 1)])  # [phase, tap on x, tap on U]


def phase_upsample(module: GraphModule) -> int:
    """Rewrite every 3x3 convolution whose input is made by a bilinear x2 that nothing else uses."""
    changed = 0
    for node in list(module.graph.nodes):
        if not _matches(node):
            continue
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(_phases(module, node))
        module.graph.erase_node(node)
        changed += 1
    return changed


def _matches(node: Node) -> bool:
    if node.target is not aten.conv2d.default or not is_constant(node.args[1]):
        return False
    settings = [*node.args[3:], *([1, 1], [0, 0], [1, 1], 1)[max(len(node.args) - 3, 0) :]]
    if [*settings] != [[1, 1], [1, 1], [1, 1], 1]:
        return False
    up = node.args[0]
    if not isinstance(up, Node) or up.target is not aten.upsample_bilinear2d.vec:
        return False
    small, weight = up.args[0], node.args[1]
    assert isinstance(small, Node) and isinstance(weight, Node)
    wide = min(small.meta["val"].shape[2:]) > RING
    twice = up.args[2] is False and up.args[3] == [2.0, 2.0] and len(up.users) == 1
    return wide and twice and tuple(weight.meta["val"].shape[2:]) == (3, 3)


def phase_weights(weight: Tensor) -> Tensor:
    """Kernel (O, I, 3, 3) on the enlarged map -> (4 O, I, 3, 3) on the small one, shuffle order."""
    both = torch.einsum("pau,qbv,oiuv->opqiab", _PHASES, _PHASES, weight.double())
    return both.reshape(-1, *weight.shape[1:]).to(weight.dtype)


def _phases(module: GraphModule, node: Node) -> Node:
    call = module.graph.call_function
    up = node.args[0]
    assert isinstance(up, Node) and isinstance(up.args[0], Node)
    small = up.args[0]
    height, width = (2 * int(n) for n in small.meta["val"].shape[2:])
    weight, bias = value(module, node.args[1]), node.args[2] if len(node.args) > 2 else None
    kernel = add_constant(module, node, phase_weights(weight), "phase_weight")
    offset = None
    if bias is not None:
        repeated = value(module, bias).repeat_interleave(4)
        offset = add_constant(module, node, repeated, "phase_bias")
    shape = ([1, 1], [1, 1], [1, 1], 1)
    shuffled = call(aten.conv2d.default, (small, kernel, offset, *shape))
    inner = call(aten.pixel_shuffle.default, (shuffled, 2))

    def strip(axis: int, start: int, end: int, first: int) -> Node:
        part = call(aten.slice.Tensor, (small, axis, start, end))
        large = call(aten.upsample_bilinear2d.vec, (part, None, False, [2.0, 2.0]))
        made = call(aten.conv2d.default, (large, node.args[1], bias, *shape))
        return call(aten.slice.Tensor, (made, axis, first, first + RING))

    def core(source: Node, axis: int, length: int) -> Node:
        return call(aten.slice.Tensor, (source, axis, RING, length - RING))

    top, bottom = strip(2, 0, 2, 0), strip(2, height // 2 - 2, height // 2, 2)
    left, right = strip(3, 0, 2, 0), strip(3, width // 2 - 2, width // 2, 2)
    middle = [core(left, 2, height), core(core(inner, 2, height), 3, width), core(right, 2, height)]
    rows = call(aten.cat.default, (middle, 3))
    return call(aten.cat.default, ([top, rows, bottom], 2))
