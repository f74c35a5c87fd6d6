"""Reading an ONNX file from elsewhere: what it holds is checked before any engine sees it."""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import onnx
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from edgematte.errors import OnnxFileError, line_of
from edgematte.ranges import Range

OPSETS = Range(7, 26)
"""From the oldest that ONNX Runtime promises to load to the newest that exports are written in."""
DOMAINS = ("", "ai.onnx")
QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "Integer", "QLinear")
HALVES = {onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.BFLOAT16: "bf16"}
BYTES = {onnx.TensorProto.INT8: "int8", onnx.TensorProto.UINT8: "uint8"}
MOST_BYTES = 16  # *chosen*: so many 8-bit numbers are a table and no weights


def read_onnx(path: Path) -> onnx.ModelProto:
    """A whole, plain fp32 model of ONNX's own operators, with external data loaded.

    Raises:
        OnnxFileError: it is missing, damaged or not ONNX; it has operators that are not ONNX's, an
            operator set that is too new or too old, data outside of its folder, or weights that are
            not fp32.
    """
    if path.is_dir() or not path.exists():
        what = "a folder" if path.is_dir() else "not there"
        raise OnnxFileError(f"{path} is {what}: give an ONNX file")
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise OnnxFileError(f"{path} cannot be read ({error.strerror})") from None
    except Exception:  # protobuf's errors have no types that are known here
        raise OnnxFileError(
            f"{path} is not an ONNX file, or is cut short: download or export it again"
        ) from None
    if not model.HasField("graph") or not model.graph.node:
        raise OnnxFileError(
            f"{path} holds no graph: it is not an ONNX file, or is cut short; download or export "
            "it again"
        )
    _check_text(path, model)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    _check_opset(path, model)
    _check_operators(path, model)
    _load_external(path, model)
    _check_weights(path, model)
    return model


def check_valid(path: Path, model: onnx.ModelProto) -> None:
    """Refuse a graph that ONNX's own checker does not pass.

    Raises:
        OnnxFileError: the checker's reason.
    """
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise OnnxFileError(
            f"{path} is damaged, or no valid ONNX ({line_of(error, 160)}): export it again"
        ) from None


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those inside of its nodes (``If``, ``Loop``)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from graphs_of(inner)


def nodes_of(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes, also those of inner graphs."""
    for graph in graphs_of(model.graph):
        yield from graph.node


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All constant tensors: initializers and attributes, sparse ones as their parts."""
    for graph in graphs_of(model.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in nodes_of(model):
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operator set."""
    return next((o.version for o in model.opset_import if o.domain in DOMAINS), 0)


def _check_text(path: Path, model: onnx.ModelProto) -> None:
    """Refuse names that are no text, which protobuf gives as bytes: the file is damaged."""
    nodes = [*nodes_of(model), *(node for f in model.functions for node in f.node)]
    names = [name for n in nodes for name in (n.op_type, n.domain, n.name, *n.input, *n.output)]
    names += [attribute.name for node in nodes for attribute in node.attribute]
    for graph in graphs_of(model.graph):
        parts = (*graph.input, *graph.output, *graph.initializer, *graph.value_info)
        names += [part.name for part in parts]
        names += [axis.dim_param for v in graph.input for axis in v.type.tensor_type.shape.dim]
    names += [part.domain for part in model.opset_import]
    if not all(isinstance(name, str) for name in names):
        raise OnnxFileError(
            f"{path} is damaged: it has names that are no text; download or export it again"
        )


def _check_opset(path: Path, model: onnx.ModelProto) -> None:
    opset = opset_of(model)
    if opset not in OPSETS:
        new = opset > (OPSETS.most or 0)
        raise OnnxFileError(
            f"{path} is of opset {opset}, too {'new' if new else 'old'}: opsets {OPSETS.least} to "
            f"{OPSETS.most} are read; export it again with one of them"
        )


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    opset = opset_of(model)
    for node in nodes_of(model):
        if node.domain not in DOMAINS:
            raise OnnxFileError(
                f"{path} has the operator {node.op_type!r} of {node.domain!r}, which is none of "
                "ONNX's own: custom operators are not run; export it again without"
            )
        if any(word in node.op_type for word in QUANTIZED):
            raise OnnxFileError(
                f"{path} is quantized already ({node.op_type}): import the fp32 file"
            )
        try:
            schema = onnx.defs.get_schema(node.op_type, opset, "")
            known = not schema.deprecated
        except onnx.defs.SchemaError:
            known = False
        if not known:
            raise OnnxFileError(
                f"{path} has the operator {node.op_type!r}, which ONNX's opset {opset} does not "
                "have: custom operators are not run; export it again without"
            )


def _load_external(path: Path, model: onnx.ModelProto) -> None:
    """Load weights that lie in other files, which must be in the folder of the model's file."""
    folder = path.absolute().parent
    outside = [t for t in tensors_of(model) if uses_external_data(t)]
    for tensor in outside:
        name = ExternalDataInfo(tensor).location
        place = PurePosixPath(name)
        real = (folder / name).resolve()
        leaves = place.is_absolute() or ".." in place.parts or "\\" in name or ":" in name
        if leaves or not real.is_relative_to(folder.resolve()):
            raise OnnxFileError(
                f"{path} wants weights from {name[:80]!r}, outside of its folder, which are not "
                "read: put them beside it and export it again"
            )
        if not real.is_file():
            raise OnnxFileError(f"{path} lacks its weights {name[:80]!r}: put them beside it")
    if outside:
        try:
            onnx.load_external_data_for_model(model, str(folder))
        except Exception as error:  # too short, or a link: its errors are of several kinds
            raise OnnxFileError(
                f"the weights beside {path} cannot be read ({line_of(error, 160)}): copy them again"
            ) from None


def _check_weights(path: Path, model: onnx.ModelProto) -> None:
    found = next((HALVES[t.data_type] for t in tensors_of(model) if t.data_type in HALVES), None)
    values = (*model.graph.input, *model.graph.output)
    types = (v.type.tensor_type.elem_type for v in values)
    found = found or next((HALVES[t] for t in types if t in HALVES), None)
    counts = ((t, math.prod(t.dims)) for t in tensors_of(model) if t.data_type in BYTES)
    found = found or next((BYTES[t.data_type] for t, count in counts if count > MOST_BYTES), None)
    if found:
        raise OnnxFileError(
            f"{path} has {found} weights: import the fp32 file, which is what all else is compared "
            "with"
        )
