"""A LiteRT file as a tree of the schema's objects, with the few changes that a bundle needs.

The schema is that of ``ai_edge_litert.schema_py_generated``. Names, metadata and constants of its
objects are bytes.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools.flatbuffer_utils import (
    convert_bytearray_to_object,
    convert_object_to_bytearray,
)
from numpy.typing import NDArray

from edgematte.errors import BundleError

METADATA_KEY = b"edgematte"
KEPT = (b"min_runtime_version",)
"""Metadata of the converter that readers of the file use."""

Op = schema.BuiltinOperator
Type = schema.TensorType
OP_NAMES: dict[int, str] = {value: name for name, value in vars(Op).items() if name[0] != "_"}
FIRST_LONG_CODE = 127  # codes from here on stand in a field of their own
SMALLEST = 64  # bytes of the constants that are worth an operator of their own in half precision
HALF_DEQUANTIZE = 3  # the version of DEQUANTIZE that takes float16

Model = Any


def parse(content: bytes) -> Model:
    """The model in a file's bytes, with constants that stand behind the tree taken into it."""
    model = convert_bytearray_to_object(content)
    for buffer in model.buffers:
        if buffer.offset:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model: Model) -> bytes:
    """The bytes of a file that holds the model."""
    return bytes(convert_object_to_bytearray(model))


def read(file: Path) -> Model:
    """The model in a file.

    Raises:
        BundleError: it is no LiteRT file, or is not whole.
    """
    content = file.read_bytes()
    try:
        if content[4:8] != b"TFL3":
            raise ValueError("it does not begin as one")
        return parse(content)
    except Exception as error:
        raise BundleError(f"{file} cannot be read as a LiteRT file: {error}") from None


def op_name(model: Model, op: Any) -> str:
    """The name of an operator of the schema, such as ``CONV_2D``."""
    code = model.operatorCodes[op.opcodeIndex]
    return OP_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def constant(model: Model, tensor: Any) -> bytes | None:
    """The bytes of a constant tensor; None for tensors that are computed."""
    data = model.buffers[tensor.buffer].data
    return None if data is None or not len(data) else bytes(data)


def add_op_code(model: Model, code: int, version: int = 1) -> int:
    """The index of an operator's code in the model's table; it is added where it is missing."""
    for index, row in enumerate(model.operatorCodes):
        if max(row.builtinCode, row.deprecatedBuiltinCode) == code:
            row.version = max(row.version, version)
            return index
    row = schema.OperatorCodeT()
    row.builtinCode, row.version = code, version
    row.deprecatedBuiltinCode = min(code, FIRST_LONG_CODE)
    model.operatorCodes.append(row)
    return len(model.operatorCodes) - 1


def add_tensor(graph: Any, like: Any, kind: int, name: str, buffer: int = 0) -> int:
    """The index of a new tensor of another one's shape."""
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.name, tensor.buffer = like.shape, kind, name.encode(), buffer
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def add_buffer(model: Model, content: bytes) -> int:
    """The index of a new buffer."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def dequantize(model: Model, source: int, target: int) -> Any:
    """A new operator that turns half floats, or integers with a scale, into floats."""
    op = schema.OperatorT()
    op.opcodeIndex = add_op_code(model, Op.DEQUANTIZE, HALF_DEQUANTIZE)
    op.inputs, op.outputs = [source], [target]
    op.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    op.builtinOptions = schema.DequantizeOptionsT()
    return op


def name_tensors(model: Model, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Give inputs and outputs their declared names, and all other tensors short ones.

    The converter's names are paths of modules; in a net of many small convolutions they take more
    bytes than the weights.
    """
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    for number, tensor in enumerate(graph.tensors):
        tensor.name = f"t{number}".encode()
    for names, indices, entries in (
        (outputs, graph.outputs, signature.outputs),
        (inputs, graph.inputs, signature.inputs),
    ):
        order = {index: place for place, index in enumerate(indices)}
        for name, index in zip(names, indices, strict=True):
            graph.tensors[index].name = name.encode()
        entries.sort(key=lambda entry, order=order: order[entry.tensorIndex])
        for name, entry in zip(names, entries, strict=True):
            entry.name = name.encode()
    graph.name = b"main"


def keep_borders(model: Model) -> None:
    """Give inputs and outputs the names of the signature again, and outputs floats.

    The quantizer renames them; and of an output that the graph reads itself it takes the integer
    copy for the output, in the graph or in the signature.
    """
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    for entry in signature.outputs:
        tensor = graph.tensors[entry.tensorIndex]
        if tensor.type in (Type.INT8, Type.INT16):
            new = add_tensor(graph, tensor, Type.FLOAT32, f"{entry.name.decode()}_float")
            graph.operators.append(dequantize(model, entry.tensorIndex, new))
            entry.tensorIndex = new
    graph.outputs = [entry.tensorIndex for entry in signature.outputs]
    for entry in (*signature.inputs, *signature.outputs):
        for tensor in graph.tensors:
            if tensor.name == entry.name:
                tensor.name = entry.name + b"_inner"
        graph.tensors[entry.tensorIndex].name = entry.name


def set_metadata(model: Model, text: str) -> None:
    """Put a text under ``METADATA_KEY``, and leave out what the converter noted for itself."""
    model.metadata = [row for row in model.metadata or [] if row.name in KEPT]
    row = schema.MetadataT()
    row.name, row.buffer = METADATA_KEY, add_buffer(model, text.encode())
    model.metadata.append(row)
    model.description = b"edgematte"


def metadata(model: Model) -> str | None:
    """The text under ``METADATA_KEY``; None for files that were not written by edgematte."""
    for row in model.metadata or []:
        if row.name == METADATA_KEY:
            return bytes(model.buffers[row.buffer].data).decode()
    return None


def drop_unused_buffers(model: Model) -> None:
    """Remove constants that nothing refers to, and keep equal ones once."""
    users = [t for graph in model.subgraphs for t in graph.tensors] + list(model.metadata or [])
    buffers, first, place = [schema.BufferT()], {b"": 0}, {}
    for user in users:
        if user.buffer not in place:
            data = model.buffers[user.buffer].data
            content = b"" if data is None else bytes(data)
            if content not in first:
                first[content] = len(buffers)
                buffers.append(model.buffers[user.buffer])
            place[user.buffer] = first[content]
        user.buffer = place[user.buffer]
    model.buffers = buffers


def floats(content: bytes) -> NDArray[np.float32]:
    """A float32 constant's values, flat."""
    return np.frombuffer(content, np.float32)


def take_bytes(model: Model, name: str) -> None:
    """Let an input take bytes, 0 to 255, that the graph's first operator divides by 255."""
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    old = next(int(i) for i in graph.inputs if graph.tensors[i].name == name.encode())
    tensor = graph.tensors[old]
    tensor.name = f"{name}_unit".encode()
    new = add_tensor(graph, tensor, Type.UINT8, name)
    rule = graph.tensors[new].quantization = schema.QuantizationParametersT()
    rule.scale, rule.zeroPoint = [1 / 255], [0]
    graph.inputs = [new if int(i) == old else int(i) for i in graph.inputs]
    for entry in signature.inputs:
        if entry.tensorIndex == old:
            entry.tensorIndex = new
    graph.operators = [dequantize(model, new, old), *graph.operators]


def halve_weights(model: Model) -> None:
    """Store float constants in half precision; readers raise them to floats once, at load."""
    graph = model.subgraphs[0]
    raised = []
    for index, tensor in enumerate(list(graph.tensors)):
        content = constant(model, tensor)
        if tensor.type != Type.FLOAT32 or content is None or len(content) < SMALLEST:
            continue
        with np.errstate(over="ignore"):
            half = floats(content).astype(np.float16)
        if not np.isfinite(half).all():  # such as a mask's largest negative float
            continue
        buffer = add_buffer(model, half.tobytes())
        source = add_tensor(graph, tensor, Type.FLOAT16, f"{tensor.name.decode()}_half", buffer)
        tensor.buffer = 0
        raised.append(dequantize(model, source, index))
    graph.operators = [*raised, *graph.operators]


def replace_inputs(ops: Iterable[Any], new: dict[int, int]) -> None:
    """Let operators read other tensors: index -> index."""
    for op in ops:
        op.inputs = [new.get(int(i), int(i)) for i in op.inputs]
