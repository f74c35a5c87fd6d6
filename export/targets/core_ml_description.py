"""What Xcode shows of a Core ML model: description, author, licence, version, every feature."""

import json
from pathlib import Path
from typing import Any

from edgematte.card import UNKNOWN
from edgematte.export.core_ml_tools import MLModel
from edgematte.manifest import Graph
from edgematte.nets import find

PREVIEW = "com.apple.coreml.model.preview.type"
GREY_MAP = "depthEstimation"
"""Xcode's preview that shows a picture and the grey picture that a model makes of it."""
DEBUG = "executorch_debug_handle_mapping.json"
"""What coremltools leaves beside the model for another tool's debugger: larger than the model."""


def describe(model: MLModel, graph: Graph, embedded: str) -> None:
    """Fill in the model's description.

    Args:
        model: not saved yet.
        graph: its declaration, as the file has it.
        embedded: the manifest that travels in the file, as JSON; empty for a trial of the INT8
            ladder, which is measured and thrown away: it gets no description.
    """
    if not embedded:
        return
    manifest: dict[str, Any] = json.loads(embedded)
    weights = manifest["weights"]
    card = weights.get("card") or {}
    paper = find(manifest["model"]).paper
    given, made = (", ".join(t.name for t in ts) for ts in (graph.inputs, graph.outputs))
    model.short_description = (
        f"Image matting by {manifest['model']} ({paper}): graph {graph.name}, {given} -> {made}, "
        f"{manifest['precision']}."
    )
    model.author = ", ".join(card.get("authors", ())) or "unknown"
    model.license = card.get("license") or UNKNOWN
    model.version = f"edgematte {manifest['tools']['edgematte']}, weights {weights['sha256'][:12]}"
    for tensors, described in (
        (graph.inputs, model.input_description),
        (graph.outputs, model.output_description),
    ):
        for tensor in tensors:
            low, high = tensor.range
            described[tensor.name] = f"{tensor.meaning}; {low:g} to {high:g}"
    pictures = any(t.range == (0.0, 255.0) for t in graph.inputs)
    if graph.image_io and pictures and any(t.name == "alpha" for t in graph.outputs):
        model.user_defined_metadata[PREVIEW] = GREY_MAP


def without_debug_files(package: Path) -> None:
    """Remove what is neither the model nor listed in the package's own manifest."""
    (package / DEBUG).unlink(missing_ok=True)
