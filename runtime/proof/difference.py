"""How far an array is from the one that was expected, as a row of a check."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.manifest import Difference
from edgematte.runtime.proof.tolerances import Tolerance


def difference(
    equality: str,
    where: str,
    engine: str,
    found: NDArray[Any],
    expected: NDArray[Any],
    tolerance: Tolerance | None,
) -> Difference:
    """Largest and mean absolute difference; arrays of other shapes count as 1e9 apart."""
    if found.shape != expected.shape:
        worst, mean = 1e9, 1e9
    else:
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            apart = np.abs(found.astype(np.float64) - expected.astype(np.float64))
        apart = np.where(np.isfinite(apart), apart, 1e9)
        worst, mean = (float(apart.max()), float(apart.mean())) if apart.size else (0.0, 0.0)
    limits = (tolerance.max_abs, tolerance.mean_abs) if tolerance else (None, None)
    return Difference(equality, where, engine, worst, mean, *limits)
