"""Writes GELU as x * (1 + erf(x / sqrt 2)) * 1/2, in the order that ONNX Runtime recognises.

Before opset 20 ONNX has no Gelu operator. torch.onnx writes the formula in another order, which
runs as five operators instead of one.
"""

import math

import torch
from torch.fx import GraphModule

aten = torch.ops.aten


def erf_gelu(module: GraphModule) -> int:
    """Rewrite every GELU except those with the tanh approximation."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.gelu.default or node.kwargs.get("approximate", "none") != "none":
            continue
        call = module.graph.call_function
        with module.graph.inserting_before(node):
            x = node.args[0]
            inner = call(aten.erf.default, (call(aten.div.Tensor, (x, math.sqrt(2))),))
            product = call(aten.mul.Tensor, (x, call(aten.add.Tensor, (inner, 1.0))))
            node.replace_all_uses_with(call(aten.mul.Tensor, (product, 0.5)))
        module.graph.erase_node(node)
        changed += 1
    return changed
