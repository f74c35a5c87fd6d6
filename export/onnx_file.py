"""ONNX models of any origin: half precision, and the file of a bundle; no torch."""

import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import onnx
from onnx import TensorProto
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from edgematte.export.model_info import flat_texts
from edgematte.manifest import Graph

METADATA_KEY = "edgematte"


def halved(model: onnx.ModelProto, kept: Collection[str] = ()) -> onnx.ModelProto:
    """The model with weights and arithmetic in fp16; inputs and outputs stay float32.

    Nodes whose names are ``kept`` compute in float32, and hand it on to each other.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that weights below fp16's smallest number become that
        model = convert_float_to_float16(model, keep_io_types=True, node_block_list=sorted(kept))
    _once(model.graph)
    if kept:
        _joined(model.graph)
    wrapped = OnnxModel(model)
    wrapped.topological_sort(is_deterministic=True)  # the added casts are not in order
    half: onnx.ModelProto = wrapped.model
    return half


def save_onnx(
    model: onnx.ModelProto, graph: Graph, folder: Path, embedded: str, *, expand: bool
) -> Graph:
    """Check the model and write ``NAME.onnx`` with the manifest in its metadata.

    ``expand`` says that weights are stored small, and are to be expanded at load.
    """
    for key, value in (flat_texts(graph, embedded) | {METADATA_KEY: embedded}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model, full_check=True)
    file = folder / f"{graph.name}.onnx"
    file.write_bytes(model.SerializeToString(deterministic=True))
    return replace(graph, file=file.name, expand_weights=expand)


def _once(graph: onnx.GraphProto) -> None:
    """Drop casts that are there twice: the converter adds one for each node that takes a value."""
    seen: set[tuple[str, str]] = set()
    for node in list(graph.node):
        if node.op_type != "Cast":
            continue
        ends = node.input[0], node.output[0]
        if ends in seen:
            graph.node.remove(node)
        seen.add(ends)


def _joined(graph: onnx.GraphProto) -> None:
    """Drop pairs of casts to fp16 and back between nodes that both compute in float32."""
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        for at, name in enumerate(node.input):
            raised = makers.get(name)
            if raised is None or not _casts(raised, TensorProto.FLOAT):
                continue
            lowered = makers.get(raised.input[0])
            if lowered is not None and _casts(lowered, TensorProto.FLOAT16):
                node.input[at] = lowered.input[0]
    outputs = {value.name for value in graph.output}
    while True:
        read = {name for node in graph.node for name in node.input} | outputs
        unread = [n for n in graph.node if n.op_type == "Cast" and n.output[0] not in read]
        if not unread:
            return
        for node in unread:
            graph.node.remove(node)


def _casts(node: onnx.NodeProto, kind: int) -> bool:
    return node.op_type == "Cast" and any(a.name == "to" and a.i == kind for a in node.attribute)
