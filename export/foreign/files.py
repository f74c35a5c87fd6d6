"""An imported net's graph as a target's float model, and its files; no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import version_converter

from edgematte.errors import ExportError, OptionError, line_of
from edgematte.export.float_graph import Feeds
from edgematte.export.foreign.cancellation import constants_of
from edgematte.export.foreign.file import opset_of
from edgematte.export.onnx_file import halved, save_onnx
from edgematte.extras import importing
from edgematte.manifest import Graph
from edgematte.targets import find_precision, find_target

TOOLS = {"onnx": ("onnx", "onnxruntime", "onnxsim"), "openvino": ("onnx", "onnxsim", "openvino")}
SCALES_BY_CHANNEL = 13  # the first opset whose quantized weights have a scale a channel
RAISED = 17  # older graphs are raised to this one where they are quantized


def refuse_target(target: str, precision: str | None) -> str:
    """Refuse what an imported net is not written in; returns the precision.

    Raises:
        OptionError: naming the targets or precisions there are.
    """
    chosen = find_target(target)
    if target not in TOOLS:
        raise OptionError(
            f"target {target}: imported nets are written for {' and '.join(TOOLS)}; {target} is "
            "converted from a PyTorch network, which an ONNX file does not hold: bring the net's "
            "PyTorch code as a package with a net of its own and export that"
        )
    return find_precision(chosen, precision)


@dataclass(frozen=True)
class FileGraph:
    """A :class:`FloatGraph` of an ONNX model.

    Args:
        graph: the declaration.
        model: the static graph, float32.
        precision: of the bundle.
        kept: names of nodes that compute in float32 whatever the precision.
    """

    graph: Graph
    model: onnx.ModelProto
    precision: str
    kept: frozenset[str] = frozenset()

    @property
    def declared(self) -> Graph:
        """The same: the file takes what pipelines give."""
        return self.graph

    def smoothed(self, feeds: Feeds) -> tuple[Any, int]:
        """None: norms are smoothed where PyTorch captured them."""
        return None, 0


class OnnxGraph(FileGraph):
    """For ONNX."""

    @property
    def losing(self) -> frozenset[str]:
        """Those that half precision would lose."""
        return self.kept

    def build(self) -> onnx.ModelProto:
        """The graph, in half precision for fp16."""
        made = _copy(self.model)
        return halved(made, self.kept) if self.precision == "fp16" else made

    def save(self, model: Any, folder: Path, embedded: str) -> Graph:
        """Write ``NAME.onnx``."""
        expand = self.precision == "int8-weights"
        return save_onnx(model, self.graph, folder, embedded, expand=expand)


class OpenVinoGraph(FileGraph):
    """For OpenVINO."""

    @property
    def losing(self) -> frozenset[str]:
        """Those that half precision would lose, by the weights that they read."""
        found: frozenset[str] = _openvino().reading(
            self.build(), constants_of(self.model, self.kept)
        )
        return found

    def build(self) -> Any:
        """The graph as an OpenVINO model, float32.

        Raises:
            ExportError: the package is not installed, or cannot convert the graph.
        """
        file = _openvino()
        try:
            return file.to_openvino(self.model, self.graph)
        except RuntimeError as error:
            first = line_of(error)
            raise ExportError(f"OpenVINO cannot convert the graph: {first[:200]}") from None

    def save(self, model: Any, folder: Path, embedded: str) -> Graph:
        """Write ``NAME.xml`` and ``NAME.bin``, whose weights are halves for fp16."""
        half = self.precision == "fp16"
        if half and self.kept:
            _openvino().store_half(model, constants_of(self.model, self.kept))
            half = False
        written: Graph = _openvino().save_openvino(model, self.graph, folder, embedded, half=half)
        return written


GRAPHS: dict[str, type[OnnxGraph | OpenVinoGraph]] = {"onnx": OnnxGraph, "openvino": OpenVinoGraph}


def raised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in an opset whose weights can be quantized; unchanged if it has one.

    Raises:
        ExportError: onnx cannot convert it.
    """
    if opset_of(model) >= SCALES_BY_CHANNEL:
        return model
    try:
        made: onnx.ModelProto = version_converter.convert_version(model, RAISED)
        onnx.checker.check_model(made, full_check=True)
    except Exception as error:  # its errors are of several kinds
        first = line_of(error)
        raise ExportError(
            f"a graph of opset {opset_of(model)} cannot be raised to {RAISED} to be quantized "
            f"({first[:160]}): export the file again with opset {RAISED}, or take fp16"
        ) from None
    for number, node in enumerate(made.graph.node):
        node.name = f"n{number}"
    return made


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    return made


def _openvino() -> Any:
    sentence = "target openvino needs a package that is not installed"
    with importing(sentence, 'pip install "edgematte[export,openvino]"', ExportError):
        from edgematte.export import openvino_file
    return openvino_file
