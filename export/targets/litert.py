"""LiteRT (``.tflite``), for Android and small Linux boards, converted by litert-torch."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from edgematte.errors import ExportError, line_of
from edgematte.export.capture import Capture
from edgematte.export.litert import file as tflite
from edgematte.export.litert.tools import litert_torch, quiet
from edgematte.export.targets import Writer
from edgematte.manifest import Graph, Tensor
from edgematte.targets import LiteRtOptions


class LiteRtWriter(Writer):
    """Writes ``NAME.tflite``."""

    def build(self, capture: Capture, options: LiteRtOptions) -> bytes:
        """The graph as a LiteRT file in float, with the declared names, not saved."""
        graph = capture.graph
        module = capture.program.module(check_guards=False)
        declared = self.declared(graph, options)
        example = tuple(torch.zeros(t.shape) for t in declared.inputs)
        try:
            with quiet():
                if options.layout == "nhwc":
                    module = litert_torch.to_channel_last_io(
                        module,
                        args=[i for i, t in enumerate(graph.inputs) if _has_planes(t)],
                        outputs=[i for i, t in enumerate(graph.outputs) if _has_planes(t)],
                    )
                content: bytes = litert_torch.convert(module, example).model_content()
        except Exception as error:
            first = line_of(error)
            raise ExportError(f"litert-torch cannot convert graph {graph.name}: {first}") from error
        model = tflite.parse(content)
        tflite.name_tensors(model, [t.name for t in graph.inputs], [t.name for t in graph.outputs])
        if options.precision == "fp16":
            tflite.halve_weights(model)
        for tensor in declared.inputs:
            if tensor.dtype == "uint8":
                tflite.take_bytes(model, tensor.name)
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

    def declared(self, graph: Graph, options: LiteRtOptions) -> Graph:
        """The declaration with the order of axes, and the bytes of a picture that goes in."""
        return replace(
            graph,
            inputs=tuple(_declared(t, options, options.io == "image") for t in graph.inputs),
            outputs=tuple(_declared(t, options, False) for t in graph.outputs),
        )

    def tools(self) -> dict[str, str]:
        """See :class:`Writer`."""
        names = ("torch", "litert-torch", "litert-converter", "ai-edge-litert")
        return {name: version(name) for name in names}


WRITER = LiteRtWriter()


def _has_planes(tensor: Tensor) -> bool:
    return tensor.layout == "NCHW" and len(tensor.shape) == 4


def _declared(tensor: Tensor, options: LiteRtOptions, picture: bool) -> Tensor:
    if picture and tensor.name == "image":
        meaning = tensor.meaning.replace(" / 255", "")
        tensor = replace(tensor, dtype="uint8", range=(0.0, 255.0), meaning=meaning)
    if options.layout == "nhwc" and _has_planes(tensor):
        batch, channels, height, width = tensor.shape
        tensor = replace(tensor, shape=(batch, height, width, channels), layout="NHWC")
    return tensor
