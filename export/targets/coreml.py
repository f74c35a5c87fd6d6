"""Core ML mlprogram, converted on any system; it takes and gives pictures or tensors."""

import contextlib
import io
import json
import uuid
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgematte.errors import ExportError, line_of
from edgematte.export.capture import Capture
from edgematte.export.core_ml_tools import MLModel, ct
from edgematte.export.targets import Writer
from edgematte.export.targets.core_ml_compact import compact
from edgematte.export.targets.core_ml_description import describe, without_debug_files
from edgematte.export.writing import writing
from edgematte.manifest import Graph
from edgematte.manifest import Tensor as Spec
from edgematte.targets import CoreMlOptions

METADATA_KEY = "edgematte"
RELEASES = {15: "iOS15", 16: "iOS16", 17: "iOS17", 18: "iOS18"}


class CoreMlWriter(Writer):
    """Writes ``NAME.mlpackage``."""

    def build(self, capture: Capture, options: CoreMlOptions) -> MLModel:
        """The graph as a Core ML model, not saved.

        With ``io="image"`` a three-channel input named ``image`` is an RGB picture (bytes, scaled
        inside the program) and the output ``alpha`` a grey picture. All precisions but fp32 compute
        in fp16.
        """
        assert options.min_ios is not None
        picture = options.io == "image"
        program, graph = capture.program, capture.graph
        if _eight_bit(options):
            example = tuple(torch.zeros(t.shape) for t in graph.inputs)
            scaled = _AlphaTo255(capture.program.module(), [t.name for t in graph.outputs])
            program = torch.export.export(scaled, example)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                return ct.convert(
                    program.run_decompositions({}),
                    convert_to="mlprogram",
                    inputs=[_input(t, picture) for t in graph.inputs],
                    outputs=[_output(t, picture, options) for t in graph.outputs],
                    minimum_deployment_target=getattr(ct.target, RELEASES[options.min_ios]),
                    compute_precision=(
                        ct.precision.FLOAT32
                        if options.precision == "fp32"
                        else ct.precision.FLOAT16
                    ),
                    skip_model_load=True,
                )
        except Exception as error:
            first = line_of(error)
            raise ExportError(f"coremltools cannot convert graph {graph.name}: {first}") from error

    def save(
        self, model: MLModel, graph: Graph, folder: Path, embedded: str, options: CoreMlOptions
    ) -> Graph:
        """Write ``NAME.mlpackage``."""
        model.user_defined_metadata[METADATA_KEY] = embedded
        declared = self.declared(graph, options)
        describe(model, declared, embedded)
        file = folder / f"{graph.name}.mlpackage"
        with writing("coremltools", file.name):
            model.save(str(file))
        without_debug_files(file)
        compact(file)
        _name_items(file)
        return replace(declared, file=file.name)

    def declared(self, graph: Graph, options: CoreMlOptions) -> Graph:
        """The declaration with the ranges of the pictures that the program takes and gives."""
        picture, eight_bit = options.io == "image", _eight_bit(options)
        return replace(
            graph,
            image_io=picture,
            inputs=tuple(_declared(t, picture and _is_picture(t), 255) for t in graph.inputs),
            outputs=tuple(
                _declared(t, eight_bit and t.name == "alpha", 255) for t in graph.outputs
            ),
        )

    def tools(self) -> dict[str, str]:
        """See :class:`Writer`."""
        return {name: version(name) for name in ("torch", "coremltools")}


WRITER = CoreMlWriter()


def _eight_bit(options: CoreMlOptions) -> bool:
    return options.io == "image" and options.alpha_bits == 8


class _AlphaTo255(nn.Module):
    """Scales alpha to 0..255 inside the program, as Core ML's 8-bit pictures need it."""

    def __init__(self, module: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = self.module(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = zip(self.names, outputs, strict=True)
        return tuple(x * 255 if name == "alpha" else x for name, x in pairs)


def _is_picture(tensor: Spec) -> bool:
    return tensor.name == "image"


def _input(tensor: Spec, picture: bool) -> Any:
    if picture and _is_picture(tensor):
        return ct.ImageType(
            name=tensor.name, shape=tensor.shape, scale=1 / 255, color_layout=ct.colorlayout.RGB
        )
    return ct.TensorType(name=tensor.name, shape=tensor.shape, dtype=np.float32)


def _output(tensor: Spec, picture: bool, options: CoreMlOptions) -> Any:
    if picture and tensor.name == "alpha":
        half = options.alpha_bits == 16
        layout = ct.colorlayout.GRAYSCALE_FLOAT16 if half else ct.colorlayout.GRAYSCALE
        return ct.ImageType(name=tensor.name, color_layout=layout)
    return ct.TensorType(name=tensor.name, dtype=np.float32)


def _declared(tensor: Spec, picture: bool, top: float) -> Spec:
    if not picture:
        return tensor
    return replace(tensor, range=(0.0, top), meaning=tensor.meaning.replace(" / 255", ""))


def _name_items(package: Path) -> None:
    """Replace the random identifiers in the package's own manifest by fixed ones."""
    file = package / "Manifest.json"
    listing = json.loads(file.read_text())
    names = {}
    for old, item in listing["itemInfoEntries"].items():
        names[old] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"edgematte/{item['path']}")).upper()
    text = json.dumps(listing, indent=4, sort_keys=True)
    for old, new in names.items():
        text = text.replace(old, new)
    file.write_text(text + "\n")
