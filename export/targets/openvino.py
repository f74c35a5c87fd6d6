"""OpenVINO IR, converted from the ONNX graph of the same capture."""

import re
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import onnx
import openvino

from edgematte.export.capture import Capture
from edgematte.export.targets import Writer
from edgematte.export.targets.onnx import to_onnx
from edgematte.manifest import Graph
from edgematte.targets import OpenVinoOptions

METADATA_KEY = "edgematte"


class OpenVinoWriter(Writer):
    """Writes ``NAME.xml`` and ``NAME.bin``."""

    def build(self, capture: Capture, options: OpenVinoOptions) -> openvino.Model:
        """The graph as an OpenVINO model, float32, with the declared names."""
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "graph.onnx"
            onnx.save(to_onnx(capture, options.opset), source)
            model = openvino.convert_model(source)
        for port, tensor in zip(model.inputs, capture.graph.inputs, strict=True):
            port.get_tensor().set_names({tensor.name})
        for port, tensor in zip(model.outputs, capture.graph.outputs, strict=True):
            port.get_tensor().set_names({tensor.name})
        for number, node in enumerate(model.get_ordered_ops()):
            if node.get_type_name() not in (
                "Parameter",
                "Result",
            ):  # the converter numbers names through all models
                node.set_friendly_name(f"{node.get_type_name()}_{number}")
        return model

    def save(
        self,
        model: openvino.Model,
        graph: Graph,
        folder: Path,
        embedded: str,
        options: OpenVinoOptions,
    ) -> Graph:
        """Write the two files; fp16 stores the weights in half precision."""
        model.set_rt_info(embedded, METADATA_KEY)
        file = folder / f"{graph.name}.xml"
        openvino.save_model(model, file, compress_to_fp16=options.precision == "fp16")
        text = file.read_text(encoding="utf-8")  # a fifth of the file is indentation
        file.write_text(re.sub(r">\s+<", "><", text), encoding="utf-8")
        return replace(graph, file=file.name)

    def tools(self) -> dict[str, str]:
        """See :class:`Writer`."""
        names = ("torch", "onnx", "onnxscript", "onnxsim", "openvino")
        return {name: version(name) for name in names}


WRITER = OpenVinoWriter()
