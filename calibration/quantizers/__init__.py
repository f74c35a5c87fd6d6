"""Quantizers, one for each target, which use the targets' stock tools.

`edgematte.targets` names the quantizer of each target. A quantizer is made from a target's float
model and the feeds of its graph (None where only weights are quantized). It lists the ``nodes`` it
can quantize, and makes a model for any scheme: see `edgematte.calibration.ladder.Quantizable`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from edgematte.calibration.ladder import Quantizable
from edgematte.errors import ExportError
from edgematte.extras import importing
from edgematte.net import load_part
from edgematte.targets import Target


def quantizable(
    target: Target, model: Any, feeds: Iterable[Mapping[str, NDArray[Any]]] | None
) -> Quantizable:
    """A float model of a target, ready to be quantized.

    Raises:
        ExportError: a package it needs is not installed; the message has the pip line.
    """
    sentence = f"quantizing for {target.name} needs a package that is not installed"
    with importing(sentence, f'pip install "edgematte[{target.quantizing}]"', ExportError):
        quantizer = load_part(target.quantizer)
    made: Quantizable = quantizer(model, feeds)
    return made
