"""Rules on ONNX files: dynamic operators, and INT8 that saturates on older processors."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgematte.export.lint.saturation import Layer, saturating
from edgematte.export.lint.seen import Seen
from edgematte.finding import Finding
from edgematte.manifest import Graph, Manifest

DYNAMIC = ("Compress", "If", "Loop", "NonMaxSuppression", "NonZero", "Range", "Scan", "Unique")
"""Operators whose results have shapes that depend on values, or that run other graphs."""
HARD_SWISH = "HardSwish"
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def findings(file: Path, graph: Graph, manifest: Manifest, seen: Seen | None) -> Iterator[Finding]:
    """Those of one ``.onnx`` file."""
    model = onnx.load(str(file))
    yield from _dynamic(model, graph)
    count = sum(node.op_type == HARD_SWISH for node in model.graph.node)
    if count and manifest.options.get("ort") == "True":
        yield hard_swish(graph, count)
    if manifest.precision == "int8":
        yield from saturating(graph, list(_layers(model)))


def hard_swish(graph: Graph, count: int) -> Finding:
    """That a graph has hardswish, which devices of Apple get wrong."""
    return Finding(
        "hardswish",
        graph.name,
        f"hardswish, {count} times",
        "the Neural Engine is known to compute it wrongly, without an error, where processor and "
        "GPU are right",
        "write x * clamp(x + 3, 0, 6) / 6 in the network, or let the app take other compute units",
        "apple/coremltools#2625",
    )


def dynamic(graph: Graph, what: str) -> Finding:
    """That a graph has shapes that are not fixed."""
    return Finding(
        "dynamic",
        graph.name,
        what,
        "NPUs and the execution providers of phones leave what has no fixed shape to the "
        "processor, or refuse the graph",
        "for such devices export with fixed shapes, without a dynamic batch",
    )


def _dynamic(model: onnx.ModelProto, graph: Graph) -> Iterator[Finding]:
    sides = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input}
    opened = [
        f"{name} [{', '.join(d.dim_param or str(d.dim_value) for d in dims)}]"
        for name, dims in sides.items()
        if not all(d.HasField("dim_value") for d in dims)
    ]
    if opened:
        yield dynamic(graph, f"inputs with open sides: {', '.join(opened)}")
    counts = Counter(node.op_type for node in model.graph.node if node.op_type in DYNAMIC)
    if counts:
        told = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items()))
        yield dynamic(graph, f"operators whose results have no fixed shape: {told}")


def _layers(model: onnx.ModelProto) -> Iterator[Layer]:
    """The weights of nodes whose activations are unsigned bytes, a row for each output."""
    constants = {w.name: w for w in model.graph.initializer}
    made = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type not in WEIGHTED:
            continue
        activation, weight = (made.get(name) for name in node.input[:2])
        if activation is None or weight is None:
            continue
        if {activation.op_type, weight.op_type} != {"DequantizeLinear"}:
            continue
        source = constants.get(weight.input[0])
        point = constants.get(activation.input[2]) if len(activation.input) > 2 else None
        if source is None or point is None or point.data_type != onnx.TensorProto.UINT8:
            continue
        yield Layer(node.name, rows_of(numpy_helper.to_array(source), _first_is_input(node)))


def _first_is_input(node: onnx.NodeProto) -> bool:
    """Whether the first axis of a node's weights counts inputs and not outputs."""
    if node.op_type == "Gemm":
        return not any(a.name == "transB" and a.i for a in node.attribute)
    return node.op_type in ("ConvTranspose", "MatMul")


def rows_of(weights: NDArray[np.int8], first_is_input: bool) -> NDArray[np.int8]:
    """Weights as (outputs, inputs), inputs in the order in which kernels add products up."""
    if weights.ndim < 2:
        return weights.reshape(1, -1)
    swapped = np.swapaxes(weights, 0, 1) if first_is_input else weights
    return np.moveaxis(swapped, 1, -1).reshape(swapped.shape[0], -1)
