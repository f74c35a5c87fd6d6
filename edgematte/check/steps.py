"""For nets that work in steps: how far two runs are apart after each step."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Alpha = NDArray[np.float32]


@dataclass(frozen=True)
class StepError:
    """Differences of alpha after one step."""

    step: int  # from 1
    max_abs: float
    mean_abs: float
    mean_unknown: float  # over the unknown pixels


def compare_steps(
    expected: Iterable[Alpha], actual: Iterable[Alpha], trimap: NDArray[np.uint8]
) -> list[StepError]:
    """Compare the alphas (H, W) after each step of two runs on one picture with a trimap (H, W).

    Raises:
        ValueError: one run has more steps than the other.
    """
    unknown = trimap == 128
    errors = []
    for number, (first, second) in enumerate(zip(expected, actual, strict=True), 1):
        apart = np.abs(first.astype(np.float64) - second)
        band = float(apart[unknown].mean()) if unknown.any() else 0.0
        errors.append(StepError(number, float(apart.max()), float(apart.mean()), band))
    return errors


def step_table(errors: Iterable[StepError]) -> list[str]:
    """Markdown lines of a table with a row for each step."""
    lines = ["| step | max | mean | mean, unknown band |", "|---|---|---|---|"]
    for e in errors:
        lines.append(f"| {e.step} | {e.max_abs:.1e} | {e.mean_abs:.1e} | {e.mean_unknown:.1e} |")
    return lines
