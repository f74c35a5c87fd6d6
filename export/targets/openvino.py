"""OpenVINO IR, converted from the ONNX graph of the same capture."""

from importlib.metadata import version
from pathlib import Path

import openvino

from edgematte.export.capture import Capture
from edgematte.export.openvino_file import save_openvino, to_openvino
from edgematte.export.targets import Writer
from edgematte.export.targets.onnx import to_onnx
from edgematte.manifest import Graph
from edgematte.targets import OpenVinoOptions


class OpenVinoWriter(Writer):
    """Writes ``NAME.xml`` and ``NAME.bin``."""

    def build(self, capture: Capture, options: OpenVinoOptions) -> openvino.Model:
        """The graph as an OpenVINO model, float32, with the declared names."""
        return to_openvino(to_onnx(capture, options.opset), capture.graph)

    def save(
        self,
        model: openvino.Model,
        graph: Graph,
        folder: Path,
        embedded: str,
        options: OpenVinoOptions,
    ) -> Graph:
        """Write the two files; fp16 stores the weights in half precision."""
        return save_openvino(model, graph, folder, embedded, half=options.precision == "fp16")

    def tools(self) -> dict[str, str]:
        """See :class:`Writer`."""
        names = ("torch", "onnx", "onnxscript", "onnxsim", "openvino")
        return {name: version(name) for name in names}


WRITER = OpenVinoWriter()
