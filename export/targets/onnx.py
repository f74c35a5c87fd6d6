"""ONNX: torch.onnx on the capture, onnxsim, the full checker, and optionally fp16 and ``.ort``."""

import contextlib
import hashlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import onnx
import onnxsim
import torch
from onnx.external_data_helper import set_external_data
from torch.export import ExportedProgram

from edgematte.errors import ExportError
from edgematte.export.capture import Capture
from edgematte.export.onnx_file import halved, save_onnx
from edgematte.export.targets import Writer
from edgematte.export.targets.onnx_explicit import write_out
from edgematte.manifest import Graph
from edgematte.targets import OnnxOptions

SHARED = "weights.bin"
PAGE = 4096  # shared weights start at multiples, so that they can be mapped; smaller ones stay


class OnnxWriter(Writer):
    """Writes files that ONNX Runtime, OpenVINO and others read."""

    def build(self, capture: Capture, options: OnnxOptions) -> onnx.ModelProto:
        """The graph in the chosen float precision; inputs and outputs stay float32."""
        model = to_onnx(capture, options.opset)
        return halved(model) if options.precision == "fp16" else model

    def save(
        self,
        model: onnx.ModelProto,
        graph: Graph,
        folder: Path,
        embedded: str,
        options: OnnxOptions,
    ) -> Graph:
        """Check the model and write ``NAME.onnx`` with the manifest in its metadata."""
        write_out(model)
        _shorten(model.graph)
        expand = options.precision == "int8-weights"
        written = save_onnx(model, graph, folder, embedded, expand=expand)
        if options.ort:
            from edgematte.export.targets.ort_format import write_ort

            write_ort(folder / written.file)
        return written

    def share(self, folder: Path, graphs: Sequence[Graph]) -> None:
        """Store weights that several graphs hold once, in ``weights.bin``, as ONNX's external data.

        The graphs refer to that file beside them, and engines map it into memory.
        """
        files = [folder / graph.file for graph in graphs]
        models = [onnx.load(file, load_external_data=False) for file in files]
        holders = Counter(
            key for model in models for key in {_key(w) for w in model.graph.initializer} if key
        )
        places: dict[bytes, int] = {}
        with (folder / SHARED).open("wb") as stream:
            for model in models:
                for weight in model.graph.initializer:
                    key = _key(weight)
                    if key is None or holders[key] < 2:
                        continue
                    raw = weight.raw_data
                    if key not in places:
                        stream.write(bytes(-stream.tell() % PAGE))
                        places[key] = stream.tell()
                        stream.write(raw)
                    set_external_data(weight, SHARED, places[key], len(raw))
                    weight.ClearField("raw_data")
        if not places:
            (folder / SHARED).unlink()
            return
        for file, model in zip(files, models, strict=True):
            file.write_bytes(model.SerializeToString(deterministic=True))
            onnx.checker.check_model(str(file))

    def tools(self) -> dict[str, str]:
        """See :class:`Writer`."""
        return {name: version(name) for name in ("torch", "onnx", "onnxscript", "onnxsim")}


WRITER = OnnxWriter()


def _key(weight: onnx.TensorProto) -> bytes | None:
    """A key that is equal for equal weights; None for weights too small to share."""
    if len(weight.raw_data) < PAGE:
        return None
    return hashlib.sha256(weight.raw_data).digest()


def to_onnx(capture: Capture, opset: int) -> onnx.ModelProto:
    """The captured graph as a simplified float32 ONNX model with the declared names."""
    return program_to_onnx(capture.program, capture.graph, opset)


def program_to_onnx(program: ExportedProgram, graph: Graph, opset: int) -> onnx.ModelProto:
    """As :func:`to_onnx`, for a captured program and its declaration."""
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            exported = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=opset,
                input_names=[t.name for t in graph.inputs],
                output_names=[t.name for t in graph.outputs],
                verbose=False,
            )
    finally:
        quiet.setLevel(level)
    assert exported is not None
    model, equal = onnxsim.simplify(exported.model_proto)
    if not equal:
        raise ExportError(f"onnxsim changed what graph {graph.name} computes")
    written = next(o.version for o in model.opset_import if not o.domain)
    if written != opset:
        raise ExportError(
            f"opset {opset} was asked for and this version of torch wrote {written}: give opset "
            f"{written}, or leave it out"
        )
    for node in model.graph.node:  # drop stack traces, which name paths of this machine
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:  # torch gives these axes numbered names
                axis.dim_param = "batch"
    del model.graph.value_info[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.producer_name, model.producer_version = "edgematte", ""
    return model


def _shorten(graph: onnx.GraphProto) -> None:
    """Name nodes and values by numbers: a tenth of a small model."""
    kept = {value.name for value in (*graph.input, *graph.output)} | {""}
    short: dict[str, str] = {}
    for number, constant in enumerate(graph.initializer):
        if constant.name not in kept:
            short[constant.name] = f"w{number}"
            constant.name = f"w{number}"
    for number, node in enumerate(graph.node):
        node.name = f"n{number}"
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name not in kept:
                    names[i] = short.setdefault(name, f"v{len(short)}")
    del graph.value_info[:]
