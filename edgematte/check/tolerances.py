"""How far an export may be from PyTorch: one table, by precision. The README prints it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tolerance:
    """Largest allowed absolute difference, and mean absolute difference, of values in [0, 1]."""

    max_abs: float
    mean_abs: float


# A single pixel of a quantized matte may be anything: only the mean of INT8 is limited, and what an
# app may rely on is the budget over the unknown band that the export measured on real pictures.
TOLERANCES = {
    "fp32": Tolerance(1e-4, 1e-5),
    "fp16": Tolerance(2e-2, 1e-3),
    "int8-weights": Tolerance(1.0, 1e-2),
    "int8": Tolerance(1.0, 3e-2),
    "int4-palette": Tolerance(1.0, 3e-2),
}


def tolerance_for(precision: str, unpools: bool) -> Tolerance:
    """The tolerance of a model's graphs and alpha.

    A net that unpools puts a value at one of four pixels, where the largest of them stood. Where
    two are nearly alike, any rounding coarser than fp32's decides for another: a single pixel then
    may be anything, and only the mean is limited.
    """
    tolerance = TOLERANCES[precision]
    return Tolerance(1.0, tolerance.mean_abs) if unpools and precision != "fp32" else tolerance


TRIMAPS = {name: Tolerance(1.0, 10 * tolerance.mean_abs) for name, tolerance in TOLERANCES.items()}
"""Estimated trimaps: a probability that is off by little moves the band's border by a pixel, and a
pixel that changes class is off by one half."""

HOST = Tolerance(1e-5, 1e-6)
"""Host steps, float results; bytes, boxes and flags must be equal."""

CUT = Tolerance(1e-4, 1e-5)
"""Training-time forward against host steps with PyTorch graphs."""


FEATURES = 10.0


def output_tolerance(expected: NDArray[Any], tolerance: Tolerance) -> Tolerance:
    """The tolerance of one output of a graph.

    Values in [-1, 1], mattes and probabilities, are held to the table. Features have no unit, and
    in half precision a deep net's are off by thousandths of their size: they are allowed ten times
    as much, and more in proportion where they are larger than 1 (root mean square). What that does
    to alpha is what the comparison end to end limits.
    """
    if expected.size == 0 or np.abs(expected).max() <= 1:
        return tolerance
    size = max(1.0, float(np.sqrt(np.mean(np.square(expected, dtype=np.float64)))))
    return Tolerance(FEATURES * size * tolerance.max_abs, FEATURES * size * tolerance.mean_abs)
