"""A file's graph made static: the bundle's names, shapes and nodes."""

import numpy as np
import onnx
import onnxsim
from onnx import shape_inference

from edgematte.errors import ExportError
from edgematte.export.foreign.beside import Beside, inputs_of, with_held
from edgematte.export.foreign.file import graphs_of, opset_of
from edgematte.export.foreign.graph import Entrance
from edgematte.manifest import Graph


def static_graph(
    model: onnx.ModelProto, entrance: Entrance, output: str, graph: Graph, beside: Beside
) -> onnx.ModelProto:
    """A copy with static shapes, simplified, with the names of ``graph``, its declaration."""
    made = with_held(model, beside.held)
    given = [entrance.name, *(state.source for state in beside.states)]
    asked = [output, *(state.answer for state in beside.states)]
    inputs, outputs = inputs_of(made), {value.name: value for value in made.graph.output}
    kept = [inputs[name] for name in given], [outputs[name] for name in asked]
    for values, listed, tensors in zip(
        kept, (made.graph.input, made.graph.output), (graph.inputs, graph.outputs), strict=True
    ):
        for value, tensor in zip(values, tensors, strict=True):
            _fix(value, tensor.shape)
        copies = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in values]
        del listed[:]
        listed.extend(copies)
    del made.graph.value_info[:]
    made, equal = onnxsim.simplify(made)
    if not equal:
        raise ExportError("onnxsim changed what the graph computes")
    tensors = (*graph.inputs, *graph.outputs)
    names = (tensor.name for tensor in tensors)
    _rename(made.graph, dict(zip((*given, *asked), names, strict=True)))
    for value, tensor in zip(made.graph.output, graph.outputs, strict=True):
        _fix(value, tensor.shape)
    for number, node in enumerate(made.graph.node):
        node.name, node.doc_string = f"n{number}", ""
        del node.metadata_props[:]
    del made.graph.value_info[:]
    del made.metadata_props[:]
    made.doc_string = made.graph.doc_string = ""
    return made


def multiply_adds(model: onnx.ModelProto) -> int:
    """Multiply-adds of convolutions and matrix products of a static graph."""
    inferred = shape_inference.infer_shapes(model).graph
    shapes = {
        v.name: [axis.dim_value for axis in v.type.tensor_type.shape.dim]
        for v in (*inferred.input, *inferred.output, *inferred.value_info)
    }
    shapes |= {weight.name: list(weight.dims) for weight in inferred.initializer}
    total = 0
    for node in inferred.node:
        given, made = shapes.get(node.input[0] if node.input else ""), shapes.get(node.output[0])
        other = shapes.get(node.input[1]) if len(node.input) > 1 else None
        if not given or not made or not other:
            continue
        if node.op_type == "Conv":
            total += int(np.prod(made) * np.prod(other[1:]))
        elif node.op_type == "ConvTranspose":
            total += int(np.prod(given) * np.prod(other[1:]))
        elif node.op_type in ("MatMul", "Gemm"):
            turned = any(a.name == "transA" and a.i for a in node.attribute)
            total += int(np.prod(made) * given[-2 if turned else -1])
    return total


def opset(model: onnx.ModelProto) -> str:
    """As the manifest tells it."""
    return str(opset_of(model))


def _fix(value: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    del value.type.tensor_type.shape.dim[:]
    for side in shape:
        value.type.tensor_type.shape.dim.add().dim_value = side


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Give values other names; values that have those names already get an underscore more."""
    used = {
        name
        for inner in graphs_of(graph)
        for node in inner.node
        for name in (*node.input, *node.output)
    }
    changed = dict(names)
    for new in names.values():
        free = new
        while free in used and free not in names:
            free += "_"
        if free != new:
            changed[new] = free
    for inner in graphs_of(graph):
        for part in (*inner.input, *inner.output, *inner.initializer):
            part.name = changed.get(part.name, part.name)
        for node in inner.node:
            for listed in (node.input, node.output):
                for at, name in enumerate(listed):
                    listed[at] = changed.get(name, name)
