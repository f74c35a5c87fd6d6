"""Differences after each step, and what features may be off by."""

import numpy as np
import pytest

from edgematte.check.steps import compare_steps, step_table
from edgematte.runtime.proof.tolerances import Tolerance, output_tolerance


def test_every_step_is_compared_whole_and_in_the_unknown_band() -> None:
    trimap = np.array([[0, 128], [128, 255]], np.uint8)
    first = [np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)]
    second = [np.array([[0.4, 0.1], [0.2, 0.1]], np.float32), first[1]]
    one, two = compare_steps(first, second, trimap)
    assert (one.step, two.step) == (1, 2)
    assert one.max_abs == pytest.approx(0.4) and one.mean_abs == pytest.approx(0.2)
    assert one.mean_unknown == pytest.approx(0.15)
    assert two.max_abs == two.mean_abs == two.mean_unknown == 0
    assert step_table([one, two])[2:] == [
        "| 1 | 4.0e-01 | 2.0e-01 | 1.5e-01 |",
        "| 2 | 0.0e+00 | 0.0e+00 | 0.0e+00 |",
    ]


def test_runs_of_different_length_are_not_compared() -> None:
    one = np.zeros((2, 2), np.float32)
    with pytest.raises(ValueError, match="shorter"):
        compare_steps([one, one], [one], np.zeros((2, 2), np.uint8))


def test_features_are_allowed_more_and_mattes_are_not() -> None:
    table = Tolerance(1e-2, 1e-3)
    matte = np.linspace(-1, 1, 100, dtype=np.float32)
    assert output_tolerance(matte, table) == table
    small, large = matte * np.float32(1.2), matte * np.float32(30)
    assert output_tolerance(small, table) == Tolerance(0.1, 1e-2)
    size = float(np.sqrt((large.astype(np.float64) ** 2).mean()))
    found = output_tolerance(large, table)
    assert found.max_abs == pytest.approx(0.1 * size, rel=1e-6) and size > 17
