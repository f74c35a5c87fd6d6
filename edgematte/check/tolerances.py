"""How far an export may be from PyTorch: one table, by precision. The README prints it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """Largest allowed absolute difference, and mean absolute difference, of values in [0, 1]."""

    max_abs: float
    mean_abs: float


TOLERANCES = {
    "fp32": Tolerance(1e-4, 1e-5),
    "fp16": Tolerance(2e-2, 1e-3),
}

HOST = Tolerance(1e-5, 1e-6)
"""Host steps, float results; bytes, boxes and flags must be equal."""

CUT = Tolerance(1e-4, 1e-5)
"""Training-time forward against host steps with PyTorch graphs."""
