"""The sampler's schedule and step, against the formulas of the paper one pixel at a time."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.errors import OptionError
from edgematte.runtime.nets.diffmatte.diffusion import (
    advance,
    clamped,
    levels,
    schedule,
    standardised,
)


def test_times_go_from_1_to_0_in_equal_steps() -> None:
    for steps in (1, 2, 7, 10, 50):
        found = schedule(steps)
        assert len(found) == steps
        times = [s.time for s in found] + [found[-1].following]
        assert np.allclose(times, np.linspace(1, 0, steps + 1), atol=1e-12)
        assert times[0] == 1 and times[-1] == 0
        assert all(a.following == b.time for a, b in zip(found, found[1:], strict=False))


@pytest.mark.parametrize("steps", [0, 51, -3, 2.0, True, "10", None])
def test_numbers_of_steps_that_are_none_are_refused(steps: Any) -> None:
    with pytest.raises(OptionError, match=r"steps .*: a whole number from 1 to 50"):
        schedule(steps)


def test_levels_at_the_ends() -> None:
    assert levels(0.0) == (0.2, 0.0)
    signal, deviation = levels(1.0)
    assert signal == pytest.approx(0.2 * math.sqrt(1e-9)) and deviation == pytest.approx(1)
    assert np.allclose(levels(0.36), (0.2 * 0.8, 0.6))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.data(), st.floats(-6, 6), st.floats(-3, 3))
def test_a_step_is_ddim_s(steps: int, data: Any, noisy: float, answer: float) -> None:
    step = schedule(steps)[data.draw(st.integers(0, steps - 1))]
    gamma, following = max(1 - step.time, 1e-9), max(1 - step.following, 1e-9)
    matte = min(max(answer, -1), 1)
    noise = (noisy - 0.2 * math.sqrt(gamma) * matte) / max(math.sqrt(1 - gamma), 1e-10)
    expected = 0.2 * math.sqrt(following) * matte + math.sqrt(1 - following) * noise
    planes = np.full((2, 3), noisy, np.float32), np.full((2, 3), answer, np.float32)
    found = advance(*planes, step)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=2e-6)  # float32 at values up to 6


def test_the_last_step_leaves_the_matte_alone() -> None:
    rng = np.random.default_rng(0)
    noisy, matte = rng.normal(size=(2, 8, 8)).astype(np.float32)
    found = advance(noisy, matte, schedule(10)[-1])
    assert np.allclose(found / 0.2, np.clip(matte, -1, 1), atol=1e-6)


def test_mattes_are_clamped() -> None:
    values = np.array([[-7.0, -1.0, 0.3, 1.0, 1.0001]], np.float32)
    assert clamped(values).tolist() == [[-1.0, -1.0, pytest.approx(0.3), 1.0, 1.0]]
    step = schedule(4)[1]
    assert np.array_equal(advance(values, values, step), advance(values, clamped(values), step))


def test_the_deviation_is_the_population_s_and_the_mean_stays() -> None:
    values = np.random.default_rng(1).normal(3, 0.25, (20, 30)).astype(np.float32)
    flat = values.astype(np.float64).ravel()
    deviation = math.sqrt(sum((flat - flat.mean()) ** 2) / len(flat))
    assert np.allclose(standardised(values), values / deviation, rtol=1e-6)


def test_a_constant_is_divided_by_the_least_deviation() -> None:
    assert np.allclose(standardised(np.full((4, 4), 2e-5, np.float32)), 2.0)
