"""The noise generator: its stated algorithm in plain integers, recorded values, and statistics."""

import math
from typing import Any

import numpy as np
import pytest

from edgematte.errors import OptionError
from edgematte.runtime.nets.diffmatte.noise import noise

WORD = 2**32 - 1


def mix(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D & WORD
    x ^= x >> 15
    x = x * 0x846CA68B & WORD
    return x ^ (x >> 16)


def one_pixel(seed: int, row: int, column: int) -> float:
    """The docstring of the module, line by line."""
    k = mix((seed + 0x9E3779B9) & WORD)
    c = (row * 65536 + column) & WORD
    a = mix((mix(c) + mix((k + 1) & WORD)) & WORD)
    b = mix((mix(c) + mix((k + 2) & WORD)) & WORD)
    u, v = ((a >> 8) + 0.5) / 2**24, ((b >> 8) + 0.5) / 2**24
    return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**31, WORD])
def test_it_is_the_stated_algorithm(seed: int) -> None:
    """Within one step of float32 at its largest values: logarithms may differ in their last bit."""
    found = noise(seed, 9, 33)
    for row, column in ((0, 0), (0, 1), (1, 0), (8, 32), (5, 17)):
        assert found[row, column] == pytest.approx(one_pixel(seed, row, column), abs=5e-7)


def test_recorded_values() -> None:
    """For ports; computed by plain integers of Python."""
    found = noise(0, 2, 4)
    expected = [
        [-0.6539282, 1.3096046, 0.560506, 0.17536488],
        [0.53151023, 1.0897939, 0.8590173, 0.10217828],
    ]
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=5e-7, rtol=0)
    assert noise(42, 700, 500)[699, 499] == pytest.approx(one_pixel(42, 699, 499), abs=5e-7)


def test_a_pixel_s_noise_does_not_depend_on_the_size() -> None:
    assert np.array_equal(noise(3, 40, 50)[:20, :30], noise(3, 20, 30))


def test_it_is_standard_normal() -> None:
    """Five standard errors of each moment over 2^20 pixels; tails as often as they should be."""
    values = noise(7, 1024, 1024).astype(np.float64)
    error = 1 / 1024
    assert abs(values.mean()) < 5 * error
    assert abs((values**2).mean() - 1) < 5 * error * math.sqrt(2)
    assert abs((values**3).mean()) < 5 * error * math.sqrt(15)
    assert abs((values**4).mean() - 3) < 5 * error * math.sqrt(96)
    assert np.abs(values).max() < 5.9
    for limit in (0.5, 1.0, 2.0, 3.0):
        share = math.erfc(limit / math.sqrt(2))
        assert abs((np.abs(values) > limit).mean() - share) < 5 * error * math.sqrt(share)


def test_neighbours_and_seeds_are_independent() -> None:
    values = noise(0, 1024, 1024).astype(np.float64)
    for down, across in ((0, 1), (1, 0), (1, 1), (0, 64), (64, 0), (256, 256)):
        pairs = values[down:, across:] * values[: 1024 - down, : 1024 - across]
        assert abs(pairs.mean()) < 5 / math.sqrt(pairs.size)
    for seed in (1, 2, 0x9E3779B9, WORD):
        assert abs((values * noise(seed, 1024, 1024)).mean()) < 5 / 1024


def test_no_frequency_stands_out() -> None:
    """Of white noise the powers are exponential: the largest of n is about ln n, here 13.9."""
    values = noise(11, 1024, 1024)
    power = np.abs(np.fft.rfft2(values)) ** 2 / values.size
    assert power.max() < 25


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "7", None])
def test_seeds_that_are_none_are_refused(seed: Any) -> None:
    with pytest.raises(OptionError, match=r"seed .*: a whole number from 0 to 4294967295"):
        noise(seed, 4, 4)


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (65537, 4)])
def test_sizes_that_are_none_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match="sides are 1 to 65536"):
        noise(0, *size)
