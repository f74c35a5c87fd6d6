"""OpenVINO IR from an ONNX model of any origin; no torch."""

import re
import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

from edgematte.export.model_info import ROOM, model_info
from edgematte.export.writing import writing
from edgematte.manifest import Graph

METADATA_KEY = "edgematte"
WEIGHTED = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
SUMMED = (*WEIGHTED, "Add")
HALF = float(np.finfo(np.float16).max)


def to_openvino(source: onnx.ModelProto, graph: Graph) -> openvino.Model:
    """The graph as an OpenVINO model, float32, with the declared names."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "graph.onnx"
        onnx.save(source, file)
        model = openvino.convert_model(file)
    for port, tensor in zip(model.inputs, graph.inputs, strict=True):
        port.get_tensor().set_names({tensor.name})
    for port, tensor in zip(model.outputs, graph.outputs, strict=True):
        port.get_tensor().set_names({tensor.name})
    for number, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in (
            "Parameter",
            "Result",
        ):  # the converter numbers names through all models
            node.set_friendly_name(f"{node.get_type_name()}_{number}")
    return model


def save_openvino(
    model: openvino.Model, graph: Graph, folder: Path, embedded: str, *, half: bool
) -> Graph:
    """Write the two files; ``half`` stores the weights in half precision."""
    model.set_rt_info(embedded, METADATA_KEY)
    for key, value in model_info(graph, embedded).items():
        model.set_rt_info(value, [ROOM, key])
    file = folder / f"{graph.name}.xml"
    with writing("openvino", file.name):
        openvino.save_model(model, file, compress_to_fp16=half)
    text = file.read_text(encoding="utf-8")  # a fifth of the file is indentation
    file.write_text(re.sub(r">\s+<", "><", text), encoding="utf-8")
    return replace(graph, file=file.name)


def store_half(model: openvino.Model, kept: Collection[NDArray[Any]]) -> None:
    """Store weights in half precision, but for those with the values of an array in ``kept``.

    :func:`save_openvino` has no such choice: it stores all of them in half precision.
    """
    values = {_bytes(array) for array in kept}
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != openvino.Type.f32:
            continue
        data = node.data
        if data.size < 2 or _bytes(data) in values or np.abs(data).max() > HALF:
            continue
        raised = ops.convert(ops.constant(data.astype(np.float16)), np.float32)
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(raised.output(0))
    model.validate_nodes_and_infer_types()


def reading(model: openvino.Model, weights: Collection[NDArray[Any]]) -> frozenset[str]:
    """Names of the nodes that read weights of these values, and of what comes before them.

    What comes before reaches back to the last nodes with weights, which are not among them.
    """
    values = {_bytes(array) for array in weights}
    todo, found = [], set()
    for node in model.get_ordered_ops():
        if node.get_type_name() in SUMMED and any(_bytes(c) in values for c in _constants(node)):
            todo.append(node)
            found.add(node.get_friendly_name())
    while todo:
        for port in todo.pop().inputs():
            before = port.get_source_output().get_node()
            if before.get_type_name() in WEIGHTED or before.get_friendly_name() in found:
                continue
            found.add(before.get_friendly_name())
            todo.append(before)
    return frozenset(found)


def _constants(node: openvino.Node) -> list[NDArray[Any]]:
    sources = (port.get_source_output().get_node() for port in node.inputs())
    return [s.data for s in sources if s.get_type_name() == "Constant"]


def _bytes(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array, np.float32).tobytes()
