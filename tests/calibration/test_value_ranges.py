"""Streamed ranges against NumPy on all the values at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.calibration.ranges import BINS, Range, Ranges
from edgematte.errors import OptionError

CHUNKS = st.lists(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=30), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(CHUNKS)
def test_nothing_is_lost_whatever_the_order_and_the_scale(chunks: list[list[float]]) -> None:
    seen = Range()
    for chunk in chunks:
        seen.observe(np.array(chunk, np.float32))
    whole = np.concatenate([np.array(c, np.float32) for c in chunks])
    assert seen.chosen("minmax") == (min(0.0, whole.min()), max(0.0, whole.max()))
    assert seen.counts.sum() == whole.size and seen.counts.shape == (BINS,)


def test_a_percentile_is_within_a_bin_of_numpy_s() -> None:
    values = np.random.default_rng(0).standard_normal(400_000).astype(np.float32)
    seen = Range()
    for chunk in np.split(values, 8):
        seen.observe(chunk)
    low, high = seen.chosen("percentile")
    width = 2 * seen.reach / BINS
    assert low == pytest.approx(np.percentile(values, 0.01), abs=2 * width)
    assert high == pytest.approx(np.percentile(values, 99.99), abs=2 * width)


def test_entropy_cuts_an_outlier_off_and_keeps_the_mass() -> None:
    values = np.random.default_rng(1).standard_normal(200_000).astype(np.float32)
    seen = Range()
    seen.observe(values)
    seen.observe(np.array([500.0], np.float32))
    low, high = seen.chosen("entropy")
    assert high < 250 and np.mean((values >= low) & (values <= high)) > 0.99


def test_all_zero_and_unseen_tensors_have_an_empty_range() -> None:
    seen = Ranges()
    seen.observe("zeros", np.zeros(5, np.float32))
    assert seen.chosen("zeros", "minmax") == (0.0, 0.0)
    assert Range().chosen("percentile") == (0.0, 0.0)


def test_values_that_are_not_finite_have_no_range() -> None:
    with pytest.raises(OptionError, match="not finite"):
        Range().observe(np.array([1.0, np.nan], np.float32))
