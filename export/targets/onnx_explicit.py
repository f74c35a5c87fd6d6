"""ONNX with nothing left to be guessed: what the standard lets a file leave out is written out.

Readers other than ONNX Runtime disagree about absent attributes. MNN takes another interpolation
for a Resize without `mode` and says nothing; OpenCV, ncnn and WebGPU refuse a Conv without
`dilations`; converters take the axes of a Slice as if they were sorted. The attributes of a model
of hundreds of nodes are half a kilobyte once the file is zipped.

OpenCV 5.0 keeps results of convolutions in blocks of channels. Where both operands of an
elementwise node are in blocks and one has a single channel, it does not repeat that channel: it
gives other numbers, or fails at the next node. A Reshape of the single channel to the shape that
it has brings it out of the blocks, and costs nothing elsewhere.

OpenCV 5.0 also multiplies by a constant matrix for each head as if the batch before the heads were
not there, and gives other numbers. Behind an Identity, which engines remove when they load, the
matrices are right.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgematte.errors import ExportError

Weights = dict[str, onnx.TensorProto]
SPATIAL = {"strides": 1, "dilations": 1, "pads": 0}
"""Attributes of windows whose defaults the schema gives in words, and their value on every axis."""
WINDOWED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")
ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")
NO_REGION = "no_region"


def write_out(model: onnx.ModelProto) -> None:
    """Write out, in place, every attribute and input that has a default; sort the axes of slices.

    Raises:
        ExportError: a node is not of the opset that the model declares.
    """
    _plain_broadcasts(model)
    _plain_factors(model.graph)
    fewer_axes(model)
    del model.graph.value_info[:]  # shapes of what was joined
    opset = next(o.version for o in model.opset_import if not o.domain)
    weights: Weights = {w.name: w for w in model.graph.initializer}
    for node in model.graph.node:
        if node.domain:
            continue
        _defaults(node, opset)
        if node.op_type in WINDOWED:
            _windows(node, weights, opset)
        if node.op_type == "Slice":
            _sorted_axes(node, weights, model.graph)
        if node.op_type == "Resize":
            _regions(node, model.graph)
    _drop_unused(model.graph)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Drop the weights that no node reads any more."""
    used = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
    kept = [w for w in graph.initializer if w.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _defaults(node: onnx.NodeProto, opset: int) -> None:
    """Add the attributes that the schema has a value for."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset)
    except onnx.defs.SchemaError as error:
        raise ExportError(f"opset {opset} has no {node.op_type} ({error})") from None
    there = {attribute.name for attribute in node.attribute}
    for name in sorted(schema.attributes):
        attribute = schema.attributes[name]
        if name in there or not attribute.default_value.name:
            continue
        node.attribute.append(attribute.default_value)


def _windows(node: onnx.NodeProto, weights: Weights, opset: int) -> None:
    """Add kernel, strides, dilations and paddings of convolutions and poolings."""
    there = {attribute.name: attribute for attribute in node.attribute}
    if "kernel_shape" not in there and len(node.input) > 1 and node.input[1] in weights:
        kernel = list(weights[node.input[1]].dims[2:])
        node.attribute.append(helper.make_attribute("kernel_shape", kernel))
        there["kernel_shape"] = node.attribute[-1]
    if "kernel_shape" not in there:
        return
    axes = len(there["kernel_shape"].ints)
    known = onnx.defs.get_schema(node.op_type, opset).attributes
    padded = helper.get_attribute_value(there["auto_pad"]) == b"NOTSET"
    for name, value in SPATIAL.items():
        if name in there or name not in known or (name == "pads" and not padded):
            continue
        count = 2 * axes if name == "pads" else axes
        node.attribute.append(helper.make_attribute(name, [value] * count))


def _sorted_axes(node: onnx.NodeProto, weights: Weights, graph: onnx.GraphProto) -> None:
    """Put the axes of a slice, and what goes with them, into ascending order."""
    if len(node.input) < 4 or any(name not in weights for name in node.input[1:] if name):
        return
    axes = numpy_helper.to_array(weights[node.input[3]])
    if (axes < 0).any() or (np.diff(axes) > 0).all():
        return
    order = np.argsort(axes)
    for place, name in enumerate(node.input[1:], 1):
        if name:
            values = numpy_helper.to_array(weights[name])[order]
            node.input[place] = _constant(f"{name}_sorted", values, weights, graph)


def _regions(node: onnx.NodeProto, graph: onnx.GraphProto) -> None:
    """Name an empty region, where a file may leave the input out."""
    if len(node.input) > 2 and not node.input[1]:
        if all(w.name != NO_REGION for w in graph.initializer):
            graph.initializer.append(numpy_helper.from_array(np.zeros(0, np.float32), NO_REGION))
        node.input[1] = NO_REGION


def _plain_broadcasts(model: onnx.ModelProto) -> None:
    """Reshape single channels that are repeated over others, to the shape that they have."""
    shapes = shapes_of(model)
    constant = {w.name for w in model.graph.initializer}
    made: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type in ELEMENTWISE and not constant.intersection(node.input):
            channels = [shapes[x][1] if len(shapes.get(x, ())) == 4 else None for x in node.input]
            if None not in channels and max(channels, key=_size) not in (1, None):
                for place, (name, count) in enumerate(zip(node.input, channels, strict=True)):
                    if count != 1:
                        continue
                    if name not in made:
                        made[name] = f"{name}_plain"
                        shape = np.array([_size(n) for n in shapes[name]], np.int64)
                        model.graph.initializer.append(
                            numpy_helper.from_array(shape, f"{name}_shape")
                        )
                        nodes.append(
                            helper.make_node("Reshape", [name, f"{name}_shape"], [made[name]])
                        )
                    node.input[place] = made[name]
        nodes.append(node)
    if made:
        del model.graph.node[:]
        model.graph.node.extend(nodes)


def _plain_factors(graph: onnx.GraphProto) -> None:
    """Put an Identity between a MatMul and constant matrices, where there are several."""
    several = {w.name for w in graph.initializer if len(w.dims) > 2}
    nodes: list[onnx.NodeProto] = []
    made: set[str] = set()
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in several:
            name = node.input[1]
            node.input[1] = f"{name}_plain"
            if name not in made:
                made.add(name)
                nodes.append(helper.make_node("Identity", [name], [node.input[1]]))
        nodes.append(node)
    if made:
        del graph.node[:]
        graph.node.extend(nodes)


MOST_AXES = 4
"""What GPU delegates of phones, ncnn and the older engine of OpenCV take."""


def fewer_axes(model: onnx.ModelProto) -> None:
    """Transpose with at most 4 axes where axes that stay neighbours, or of length 1, can be one.

    It is done between two Reshapes: the first gives the joined axes, the second is as it was.
    """
    graph = model.graph
    shapes = shapes_of(model)
    constant = {w.name: w for w in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[onnx.NodeProto]] = {o.name: [onnx.NodeProto()] for o in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        dims = shapes.get(node.input[0], ()) if node.op_type == "Transpose" else ()
        before = made_by.get(node.input[0]) if len(dims) > MOST_AXES else None
        if before is None or before.op_type != "Reshape" or not all(dims):
            continue
        if not all(_reshapes(reader, constant) for reader in readers[node.output[0]]):
            continue
        lengths, perm = joined([_size(n) for n in dims], list(_perm(node)))
        if len(lengths) > MOST_AXES:
            continue
        name = f"{node.output[0]}_joined"
        graph.initializer.append(
            numpy_helper.from_array(np.array(lengths, np.int64), f"{name}_shape")
        )
        nodes.insert(-1, helper.make_node("Reshape", [before.input[0], f"{name}_shape"], [name]))
        node.input[0] = name
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("perm", perm))
    used = {name for node in nodes for name in node.input} | {o.name for o in graph.output}
    kept = [node for node in nodes if used.intersection(node.output)]
    del graph.node[:]
    graph.node.extend(kept)


def joined(lengths: list[int], perm: list[int]) -> tuple[list[int], list[int]]:
    """The same transposition with axes joined that stay neighbours, and none of length 1."""
    order = [axis for axis in perm if lengths[axis] != 1]
    place = {axis: i for i, axis in enumerate(sorted(order))}
    groups: list[list[int]] = []
    for axis in (place[a] for a in order):
        if groups and groups[-1][-1] == axis - 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    wide = [lengths[axis] for axis in sorted(order)]
    starts = sorted(group[0] for group in groups)
    products = {group[0]: int(np.prod([wide[axis] for axis in group])) for group in groups}
    return [products[s] for s in starts], [starts.index(group[0]) for group in groups]


def _perm(node: onnx.NodeProto) -> list[int]:
    return next(list(a.ints) for a in node.attribute if a.name == "perm")


def _reshapes(node: onnx.NodeProto, constant: Weights) -> bool:
    """Whether a node is a Reshape that names the length of every axis."""
    if node.op_type != "Reshape" or node.input[1] not in constant:
        return False
    return bool((numpy_helper.to_array(constant[node.input[1]]) != 0).all())


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    """The shapes of all values; None for an axis that is open."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        axes = value.type.tensor_type.shape.dim
        shapes[value.name] = tuple(a.dim_value if a.HasField("dim_value") else None for a in axes)
    return shapes


def _size(axis: int | None) -> int:
    """The length of an axis as a Reshape takes it: 0 keeps the one there is."""
    return axis or 0


def _constant(
    name: str, values: NDArray[np.generic], weights: Weights, graph: onnx.GraphProto
) -> str:
    if name not in weights:
        graph.initializer.append(numpy_helper.from_array(values, name))
        weights[name] = graph.initializer[-1]
    return name
