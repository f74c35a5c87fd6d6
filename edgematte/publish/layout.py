"""The files of a repository on the hub: bundles, and what transformers.js and its like expect."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgematte.errors import OptionError
from edgematte.hub import BUNDLE, PREPROCESSOR
from edgematte.manifest import FILE, SIGNATURE, Graph, Manifest
from edgematte.publish.page import page_of
from edgematte.runtime.bundle import Bundle

NAMES = {
    "fp32": "model",
    "fp16": "model_fp16",
    "int8-weights": "model_quantized",
    "int8": "model_int8",
}
"""Precision -> name in `onnx/`, as transformers.js looks for it by its `dtype`."""
BYTE = 255


def lay_out(bundles: Sequence[Bundle], repository: str, folder: Path) -> None:
    """Fill an empty folder with the repository of one net in one or several forms.

    The first bundle is the one that ``edgematte.load("hf:OWNER/NAME")`` opens. ONNX files of nets
    that take a picture alone also stand in `onnx/`, with `config.json` and
    `preprocessor_config.json`.

    Raises:
        OptionError: two bundles of one target and precision, or of different nets or weights.
    """
    _refuse(bundles)
    for place, bundle in enumerate(bundles):
        name = f"{_form(bundle)}.edgematte" if place else BUNDLE
        _copy(bundle, folder / name)
    listed = [
        b for b in bundles if _alone(b.manifest) is not None and b.manifest.precision in NAMES
    ]
    if listed:
        (folder / "onnx").mkdir()
        for bundle in listed:
            graph = bundle.manifest.graphs[0]
            target = folder / "onnx" / f"{NAMES[bundle.manifest.precision]}.onnx"
            shutil.copyfile(bundle.path / graph.file, target)
        _write(folder / "config.json", _config(listed[0].manifest))
        _write(folder / PREPROCESSOR, _preprocessor(listed[0].manifest))
    names = [NAMES[b.manifest.precision] for b in listed]
    (folder / "README.md").write_text(page_of(bundles, repository, names), encoding="utf-8")


def _refuse(bundles: Sequence[Bundle]) -> None:
    first = bundles[0].manifest
    seen: dict[str, Path] = {}
    for bundle in bundles:
        manifest = bundle.manifest
        if (manifest.model, manifest.weights.sha256) != (first.model, first.weights.sha256):
            raise OptionError(
                f"{bundle.path} holds {manifest.model} with weights "
                f"{manifest.weights.sha256[:16]}, and {bundles[0].path} {first.model} with "
                f"{first.weights.sha256[:16]}: a repository is of one net with one set of weights"
            )
        form = _form(bundle)
        if form in seen:
            raise OptionError(f"{seen[form]} and {bundle.path} both are {form}: give one of them")
        seen[form] = bundle.path


def _form(bundle: Bundle) -> str:
    return f"{bundle.manifest.target}-{bundle.manifest.precision}"


def _copy(bundle: Bundle, folder: Path) -> None:
    """Copy what the manifest lists, and the manifest and its signature."""
    listed = [FILE, *bundle.manifest.files]
    signature = bundle.path / SIGNATURE
    for name in [*listed, *([SIGNATURE] if signature.is_file() else [])]:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.path / name, target)


def _alone(manifest: Manifest) -> Graph | None:
    """The one graph of an ONNX bundle that makes alpha of a picture alone; None if it is not so."""
    if manifest.target != "onnx" or len(manifest.graphs) != 1:
        return None
    (graph,) = manifest.graphs
    takes_a_picture = len(graph.inputs) == 1 and graph.inputs[0].shape[1] == 3
    return graph if takes_a_picture and graph.outputs[0].name == "alpha" else None


def _config(manifest: Manifest) -> dict[str, Any]:
    """`modnet` is how transformers.js calls every net that makes alpha of a picture alone."""
    return {
        "model_type": "modnet",
        "edgematte": {"model": manifest.model, "config": manifest.config},
    }


def _preprocessor(manifest: Manifest) -> dict[str, Any]:
    image = manifest.graphs[0].inputs[0]
    scale = 1.0 if image.range == (0, BYTE) else manifest.host.scale
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": image.shape[2], "width": image.shape[3]},
        "resample": 2,  # bilinear
        "do_rescale": True,
        "rescale_factor": scale,
        "do_normalize": False,
        "image_mean": [0.0, 0.0, 0.0],
        "image_std": [1.0, 1.0, 1.0],
        "do_pad": False,
    }


def _write(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
