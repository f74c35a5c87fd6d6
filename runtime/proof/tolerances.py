"""How far an export may be from PyTorch, in one table by precision, which the README prints."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tolerance:
    """Largest allowed absolute difference, and mean absolute difference, of values in [0, 1]."""

    max_abs: float
    mean_abs: float


# A single pixel of a quantized matte may have any error, so that INT8 limits only the mean. What an
# app can rely on is the budget over the unknown band, which the export measured on real pictures.
TOLERANCES = {
    "fp32": Tolerance(1e-4, 1e-5),
    "fp16": Tolerance(2e-2, 1e-3),
    "int8-weights": Tolerance(1.0, 1e-2),
    "w8a16": Tolerance(1.0, 1e-2),
    "int8": Tolerance(1.0, 3e-2),
    "int4-palette": Tolerance(1.0, 3e-2),
}


def tolerance_for(precision: str, unpools: bool) -> Tolerance:
    """The tolerance of a model's graphs and alpha.

    A net that unpools puts each value back at the one of four pixels where the maximum was. Where
    two of the four are nearly equal, rounding coarser than fp32's can choose the other pixel. So a
    single pixel may have any error, and only the mean is limited.
    """
    tolerance = TOLERANCES[precision]
    return Tolerance(1.0, tolerance.mean_abs) if unpools and precision != "fp32" else tolerance


TRIMAPS = {name: Tolerance(1.0, 10 * tolerance.mean_abs) for name, tolerance in TOLERANCES.items()}
"""For estimated trimaps: a small error of a probability can move the band's border by a pixel, and
a pixel that changes its class is off by one half."""

HOST = Tolerance(1e-5, 1e-6)
"""For float results of host steps; bytes, boxes and flags must be equal."""

RESIZED = Tolerance(1.0, 1e-3)
"""For bytes of a resized picture where a port's arithmetic is not Pillow's fixed-point one. Weights
in float32 round up to 98 of 786,432 bytes to the next one; a filter that does not antialias, or no
rounding between the two passes, is off by more than this mean."""

CUT = Tolerance(1e-4, 1e-5)
"""For the training-time forward against host steps with PyTorch graphs."""


FEATURES = 10.0


def output_tolerance(expected: NDArray[Any], tolerance: Tolerance) -> Tolerance:
    """The tolerance of one output of a graph.

    The table holds for values in [-1, 1]: mattes and probabilities. Features have no unit, and in
    half precision those of a deep net have errors of thousandths of their size. They are allowed
    ten times as much, and in proportion more where their root mean square is above 1. The
    end-to-end comparison limits what that does to alpha.
    """
    if expected.size == 0 or np.abs(expected).max() <= 1:
        return tolerance
    size = max(1.0, float(np.sqrt(np.mean(np.square(expected, dtype=np.float64)))))
    return Tolerance(FEATURES * size * tolerance.max_abs, FEATURES * size * tolerance.mean_abs)
