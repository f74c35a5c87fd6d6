"""Rules on OpenVINO's files: dynamic shapes, and INT8 that saturates on older processors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgematte.export.lint.onnx import dynamic, rows_of
from edgematte.export.lint.saturation import Layer, saturating
from edgematte.export.lint.seen import Seen
from edgematte.finding import Finding
from edgematte.manifest import Graph, Manifest

WEIGHTED = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
BETWEEN = ("Convert", "Multiply", "Reshape", "Subtract")


def findings(file: Path, graph: Graph, manifest: Manifest, seen: Seen | None) -> Iterator[Finding]:
    """Those of one ``.xml`` file."""
    from edgematte.runtime.engines.ov import shared_core

    model = shared_core().read_model(file)
    if model.is_dynamic():
        shapes = ", ".join(f"{i.any_name} {i.partial_shape}" for i in model.inputs)
        yield dynamic(graph, f"inputs or operators with open sides: {shapes}")
    if manifest.precision == "int8":
        yield from saturating(graph, list(_layers(model)))


def _layers(model: Any) -> Iterator[Layer]:
    for op in model.get_ordered_ops():
        kind = op.get_type_name()
        if kind not in WEIGHTED or _source(op, 0).get_type_name() != "FakeQuantize":
            continue
        source = op.input(1).get_source_output().get_node()
        while source.get_type_name() in BETWEEN:
            source = _source(source, 0)
        if source.get_type_name() != "Constant":
            continue
        weights = np.asarray(source.data)
        if weights.dtype != np.int8:
            continue
        if kind == "GroupConvolution":  # groups, outputs, inputs, ...
            weights = weights.reshape(-1, *weights.shape[2:])
        turned = kind == "MatMul" and not op.get_attributes()["transpose_b"]
        first_is_input = turned or kind == "ConvolutionBackpropData"
        yield Layer(op.get_friendly_name(), rows_of(weights, first_is_input))


def _source(op: Any, number: int) -> Any:
    return op.input(number).get_source_output().get_node()
