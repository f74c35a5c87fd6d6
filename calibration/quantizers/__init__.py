"""One quantizer a target, over the stock tools; each takes a float graph and a `Scheme`.

``QUANTIZERS`` is the one table of them. A quantizer is made from a target's float model and the
feeds of its graph (None where only weights are quantized), lists the ``nodes`` it can quantize,
and gives a model for every scheme: see `edgematte.calibration.ladder.Quantizable`.
"""

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from edgematte.calibration.ladder import Quantizable
from edgematte.errors import ExportError
from edgematte.extras import importing

QUANTIZERS = {
    "onnx": "edgematte.calibration.quantizers.onnx:OnnxQuantizable",
    "openvino": "edgematte.calibration.quantizers.openvino:OpenVinoQuantizable",
    "coreml": "edgematte.calibration.quantizers.coreml:CoreMlQuantizable",
}


def quantizable(
    target: str, model: Any, feeds: Iterable[Mapping[str, NDArray[Any]]] | None
) -> Quantizable:
    """A float model of a target, ready to be quantized.

    Raises:
        ExportError: a package it needs is not installed; the message holds the pip line.
    """
    module, _, name = QUANTIZERS[target].partition(":")
    sentence = f"quantizing for {target} needs a package that is not installed"
    with importing(sentence, 'pip install "edgematte[calibration]"', ExportError):
        quantizer = getattr(importlib.import_module(module), name)
    made: Quantizable = quantizer(model, feeds)
    return made
