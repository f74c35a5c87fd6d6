"""LiteRT (``.tflite``), for Android and small Linux boards, converted by litert-torch."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from edgematte.errors import ExportError
from edgematte.export.capture import Capture
from edgematte.export.litert import file as tflite
from edgematte.export.litert.tools import litert_torch, quiet
from edgematte.export.targets import Writer
from edgematte.manifest import Graph
from edgematte.targets import LiteRtOptions


class LiteRtWriter(Writer):
    """Writes ``NAME.tflite``."""

    def build(self, capture: Capture, options: LiteRtOptions) -> bytes:
        """The graph as a LiteRT file in float, with the declared names, not saved."""
        graph = capture.graph
        module = capture.program.module(check_guards=False)
        example = tuple(torch.zeros(t.shape) for t in graph.inputs)
        try:
            with quiet():
                content: bytes = litert_torch.convert(module, example).model_content()
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ExportError(f"litert-torch cannot convert graph {graph.name}: {first}") from error
        model = tflite.parse(content)
        tflite.name_tensors(model, [t.name for t in graph.inputs], [t.name for t in graph.outputs])
        return tflite.pack(model)

    def save(
        self, model: bytes, graph: Graph, folder: Path, embedded: str, options: LiteRtOptions
    ) -> Graph:
        """Write ``NAME.tflite`` with the manifest in its metadata."""
        tree: Any = tflite.parse(model)
        tflite.set_metadata(tree, embedded)
        tflite.drop_unused_buffers(tree)
        file = folder / f"{graph.name}.tflite"
        file.write_bytes(tflite.pack(tree))
        return replace(self.declared(graph, options), file=file.name)

    def tools(self) -> dict[str, str]:
        """See :class:`Writer`."""
        names = ("torch", "litert-torch", "litert-converter", "ai-edge-litert")
        return {name: version(name) for name in names}


WRITER = LiteRtWriter()
