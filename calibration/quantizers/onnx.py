"""ONNX: QDQ by onnxruntime.quantization, with streamed ranges.

The stock calibrators keep every activation of every picture in memory. Here the float graph runs
once for each feed, with its activations as outputs, and only their ranges are kept.
"""

import contextlib
import copy
import io
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.transformers.onnx_model import OnnxModel

from edgematte.calibration.ranges import Ranges
from edgematte.calibration.scheme import Scheme
from edgematte.errors import OptionError
from edgematte.onnx_values import Values

Feed = Mapping[str, NDArray[Any]]
CONVOLUTIONS, PRODUCTS = ("Conv", "ConvTranspose"), ("MatMul", "Gemm")
WEIGHTED = (*CONVOLUTIONS, *PRODUCTS)
BETWEEN = ("Add", "Concat", "Resize", "AveragePool")
"""Operators without weights that compute in 8 bits where all that they take has 8 bits anyway.
Elsewhere each costs conversions. *Measured*: a ViT whose sums stay in float is 1.2x faster."""
THROUGH = ("Relu", "Clip", "MaxPool")  # between two operators in 8 bits they do not need floats
ACTIVATIONS = {"uint8": QuantType.QUInt8, "int16": QuantType.QInt16}


class OnnxQuantizable:
    """A float graph with the ranges of its activations."""

    def __init__(self, model: onnx.ModelProto, feeds: Iterable[Feed] | None) -> None:
        """``feeds`` are inputs of the graph; None where only weights are quantized."""
        self.model = model
        ranks = {w.name: len(w.dims) for w in model.graph.initializer}
        weighted = [
            n.name
            for n in model.graph.node
            if n.op_type in WEIGHTED and n.input[1] in ranks and _has_scales(n, ranks)
        ]
        self.nodes = weighted if feeds is None else _eight_bits(model.graph, set(weighted))
        self.ranges = observed(model, feeds) if feeds is not None else Ranges()

    def quantize(self, scheme: Scheme | None) -> onnx.ModelProto:
        """A quantized copy; None: an unchanged copy."""
        model = copy.deepcopy(self.model)
        if scheme is None:
            return model
        if scheme.weights != "int8":
            raise OptionError(f"onnx has no {scheme.weights} weights; take coreml, or int8-weights")
        chosen = [name for name in self.nodes if name not in scheme.skip]
        if not chosen:  # to the quantizer an empty list would mean every node
            return model
        if scheme.activations is None:
            return _weights_only(model, set(chosen))
        names = set(self.ranges.names())
        data = {}
        for name in names:
            low, high = self.ranges.chosen(name, scheme.method)
            data[name] = TensorData(lowest=np.float32(low), highest=np.float32(high))
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=ACTIVATIONS[scheme.activations],
            tensors_range=TensorsData(CalibrationMethod.MinMax, data),
            nodes_to_quantize=chosen,
            nodes_to_exclude=[],
            op_types_to_quantize=[*WEIGHTED, *BETWEEN],
            extra_options={
                # What follows a matrix product is mostly a sum or a norm, which are of floats.
                "OpTypesToExcludeOutputQuantization": list(PRODUCTS),
                "UseQDQContribOps": scheme.activations == "int16",
                "ForceQuantizeNoInputCheck": True,
            },
        )
        with contextlib.redirect_stdout(io.StringIO()):
            level = logging.getLogger().level
            logging.getLogger().setLevel(logging.ERROR)
            try:
                quantizer.quantize_model()
            finally:
                logging.getLogger().setLevel(level)
        wrapped = OnnxModel(quantizer.model.model)
        wrapped.topological_sort(is_deterministic=True)
        return wrapped.model


def _has_scales(node: onnx.NodeProto, ranks: Mapping[str, int]) -> bool:
    """Whether ONNX Runtime has scales per channel for a node's weights.

    It has none for stacks of matrices, such as position tables.
    """
    return node.op_type != "MatMul" or max(ranks.get(i, 0) for i in node.input) <= 2


def _eight_bits(graph: onnx.GraphProto, weighted: set[str]) -> list[str]:
    """Nodes that compute in 8 bits: those with weights, and what lies between convolutions.

    Products of two activations, as in attention, softmax, sigmoid and norms stay in float.
    """
    constants = {w.name for w in graph.initializer}
    eight: set[str] = set()  # values that have 8 bits
    nodes = []
    for node in graph.node:
        taken = list(node.input[:1] if node.op_type in ("Resize", *THROUGH) else node.input)
        inside = all(name in eight for name in taken if name and name not in constants)
        if node.name in weighted or (node.op_type in BETWEEN and inside):
            nodes.append(node.name)
            eight.update(node.output if node.op_type not in PRODUCTS else ())
        elif node.op_type in THROUGH and inside:
            eight.update(node.output)
    return nodes


def observed(model: onnx.ModelProto, feeds: Iterable[Feed]) -> Ranges:
    """Run a float graph on feeds and collect the range of every activation."""
    constants = {w.name for w in model.graph.initializer}
    outputs = [o.name for o in model.graph.output]
    typed = onnx.shape_inference.infer_shapes(model).graph.value_info
    floats = {v.name for v in typed if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    inner = floats - constants - set(outputs)
    names = [name for node in model.graph.node for name in node.output if name in inner]
    values = Values(model, [*outputs, *names])
    ranges = Ranges()
    for feed in feeds:
        for name, value in (*feed.items(), *values(feed).items()):
            ranges.observe(name, value)
    return ranges


def _weights_only(model: onnx.ModelProto, chosen: set[str]) -> onnx.ModelProto:
    """Replace each weight of the chosen nodes by int8 values and a DequantizeLinear."""
    weights = {w.name: w for w in model.graph.initializer}
    first: list[onnx.NodeProto] = []
    done: set[str] = set()
    for node in model.graph.node:
        if node.name not in chosen or node.input[1] not in weights:
            continue
        name = node.input[1]
        if name not in done:
            axis = 0 if node.op_type == "Conv" else 1
            first.append(_dequantized(model.graph, weights[name], axis))
            done.add(name)
        node.input[1] = f"{name}_float"
    for name in done:
        model.graph.initializer.remove(weights[name])
    nodes = [*first, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _dequantized(graph: onnx.GraphProto, weight: onnx.TensorProto, axis: int) -> onnx.NodeProto:
    """Add a weight's int8 values and scales to a graph; returns the node that dequantizes them."""
    values = numpy_helper.to_array(weight)
    others = tuple(i for i in range(values.ndim) if i != axis)
    largest = np.abs(values).max(axis=others)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    steps = np.clip(np.rint(values / scale.reshape(shape)), -127, 127).astype(np.int8)
    name = weight.name
    graph.initializer.append(numpy_helper.from_array(steps, f"{name}_int8"))
    graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
    inputs = [f"{name}_int8", f"{name}_scale"]
    return helper.make_node(
        "DequantizeLinear", inputs, [f"{name}_float"], name=f"Dequantize_{name}", axis=axis
    )
