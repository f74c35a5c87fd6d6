"""Gives convolutions a multiple of 8 channels to read, where more than 4 are no multiple of 4.

ONNX Runtime's WebGPU provider (1.30) gives other numbers for convolutions of 6, 9 and 18 input
channels, and says nothing: alpha of the lightest net here was off by 0.89 in a browser. More
channels, whose weights are zero, up to the next multiple of 8 make it right (6e-7); microsoft's
onnxruntime issue 29651 looks alike. What stands in them does not matter: they are the map's own
first channels, since phones' accelerators have no padding of channels. Only a few first
convolutions of a net read such maps, so that the copies do not show in the time of a graph.
"""

import torch
from torch.fx import GraphModule, Node

from edgematte.export.passes.widen import groups, is_convolution, widen

aten = torch.ops.aten
VECTOR, BLOCK = 4, 8


def pad_inputs(module: GraphModule) -> int:
    """Pad the inputs of convolutions in one group; counts changed convolutions."""
    padded: dict[Node, Node] = {}
    changed = 0
    for node in list(module.graph.nodes):
        if not is_convolution(node) or groups(node) != 1:
            continue
        source = node.args[0]
        assert isinstance(source, Node)
        channels = int(source.meta["val"].shape[1])
        if channels <= VECTOR or channels % VECTOR == 0:
            continue
        count = -(-channels // BLOCK) * BLOCK
        if source not in padded:
            call = module.graph.call_function
            with module.graph.inserting_before(node):
                again = call(aten.slice.Tensor, (source, 1, 0, count - channels))
                padded[source] = call(aten.cat.default, ([source, again], 1))
        widen(module, node, inputs=(range(channels), count))
        node.replace_input_with(source, padded[source])
        changed += 1
    return changed
