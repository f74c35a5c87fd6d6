from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from edgematte.metrics import conn

Alpha = npt.NDArray[Any]
Region = npt.NDArray[np.bool_]
LEVELS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def conn_by_scipy(alpha: Alpha, reference: Alpha, region: Region | None) -> float:
    """The public evaluation code's loop, with its map that starts at -1, on scipy's labels."""
    last = np.full(alpha.shape, -1.0)
    for below, level in zip(LEVELS, LEVELS[1:], strict=False):
        both = (alpha >= alpha.dtype.type(level)) & (reference >= reference.dtype.type(level))
        labels, count = ndimage.label(both)
        omega = np.zeros(alpha.shape, dtype=bool)
        if count:
            omega = labels == 1 + int(np.argmax(ndimage.sum(both, labels, range(1, count + 1))))
        last[(last == -1) & ~omega] = below
    last[last == -1] = 1.0
    phi = []
    for matte in (alpha, reference):
        above = matte.astype(np.float64) - last
        phi.append(1 - above * (above >= 0.15))
    error = np.abs(phi[0] - phi[1])
    return float(error.sum() if region is None else error[region].sum()) / 1000


@st.composite
def cases(draw: st.DrawFn) -> tuple[Alpha, Alpha, Region | None]:
    """Pairs whose values are often exactly a level, and often equal; one pixel upwards."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    values = draw(
        st.sampled_from(
            [
                st.sampled_from(LEVELS),
                st.integers(0, 255).map(lambda k: k / 255),
                st.sampled_from([0.0, 0.5, 1.0]),
                st.floats(0, 1, width=32),
            ]
        )
    )
    alpha, reference = (
        draw(hnp.arrays(np.float64, shape, elements=values)).astype(dtype) for _ in range(2)
    )
    return alpha, reference, draw(st.none() | hnp.arrays(np.bool_, shape))


@settings(max_examples=300)
@given(cases())
@example((np.ones((4, 4)), np.ones((4, 4)), None))
@example((np.zeros((4, 4)), np.zeros((4, 4)), None))
@example((np.ones((1, 1)), np.zeros((1, 1)), None))
@example((np.ones((1, 9)), np.linspace(0, 1, 9)[None], None))
def test_any_pair_matches_scipy(case: tuple[Alpha, Alpha, Region | None]) -> None:
    alpha, reference, region = case
    assert conn(alpha, reference, region) == pytest.approx(
        conn_by_scipy(alpha, reference, region), rel=1e-10, abs=1e-15
    )


@given(cases())
def test_the_two_mattes_are_interchangeable(case: tuple[Alpha, Alpha, Region | None]) -> None:
    alpha, reference, region = case
    assert conn(alpha, reference, region) == conn(reference, alpha, region)
    assert conn(alpha, alpha, region) == 0.0


def smooth_pair(shape: tuple[int, int], seed: int) -> tuple[Alpha, Alpha]:
    rng = np.random.default_rng(seed)
    waves = ndimage.gaussian_filter(rng.standard_normal(shape), 6)
    reference = np.clip(waves * 12 + 0.5, 0, 1)
    return np.clip(reference + rng.normal(0, 0.08, shape), 0, 1), reference


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(200, 260), (300, 700), (1, 900), (900, 1)])
def test_mattes_match_scipy(shape: tuple[int, int], dtype: type) -> None:
    for seed in range(3):
        doubles = smooth_pair(shape, seed)
        alpha: Alpha = doubles[0].astype(dtype)
        reference: Alpha = doubles[1].astype(dtype)
        region = np.random.default_rng(seed).random(shape) < 0.4
        for counted in (None, region):
            expected = conn_by_scipy(alpha, reference, counted)
            assert expected > 0
            assert conn(alpha, reference, counted) == pytest.approx(expected, rel=1e-10)


def test_8_bit_mattes_score_the_same_in_any_precision() -> None:
    alpha, reference = (np.rint(matte * 255) / 255 for matte in smooth_pair((120, 130), 5))
    assert (alpha == 153 / 255).any(), "a value that ties with the level 0.6"
    doubles = conn(alpha, reference)
    assert conn(alpha.astype(np.float32), reference.astype(np.float32)) == pytest.approx(doubles)
    assert conn(alpha.astype(np.float32), reference) == pytest.approx(doubles)


def test_a_separate_island_by_hand() -> None:
    # Both mattes hold the large piece; only the reference calls the island opaque. The island is
    # in no Omega, so l = 0 there and its whole alpha counts.
    reference = np.array([[1, 1, 1, 0, 1]], dtype=np.float64)
    alpha = np.array([[1, 1, 1, 0, 0.5]], dtype=np.float64)
    assert conn(alpha, reference) == pytest.approx(0.5 / 1000)
    # Joined to the large piece it has l = 0.5, and so has the 0.5 that alpha still has above it.
    bridged = np.array([[1, 1, 1, 1, 1]], dtype=np.float64)
    assert conn(np.array([[1, 1, 1, 1, 0.5]]), bridged) == pytest.approx(0.5 / 1000)


def test_an_equal_island_costs_nothing() -> None:
    both = np.array([[1, 1, 1, 0, 0.7]], dtype=np.float64)
    assert conn(both, both.copy()) == 0.0


def test_small_excess_is_not_counted() -> None:
    # l = 0.5 for both; 0.1 above it is under theta, 0.25 is not.
    reference = np.array([[1, 1, 0.5]])
    assert conn(np.array([[1, 1, 0.6]]), reference) == 0.0
    assert conn(np.array([[1, 1, 0.75]]), reference) == pytest.approx(0.25 / 1000)


def test_a_level_nobody_reaches_ends_the_connection() -> None:
    # Neither matte is opaque anywhere: l is 0.5 and not 1, and alpha's 0.4 above it counts.
    assert conn(np.full((3, 3), 0.9), np.full((3, 3), 0.5)) == pytest.approx(9 * 0.4 / 1000)


def test_a_pixel_once_lost_stays_lost() -> None:
    # At 0.1 the left piece (4 pixels) is Omega; from 0.6 up the right piece (3) is. The right
    # piece was outside of the first Omega, so l = 0 there.
    alpha = np.array([[0.5, 0.5, 0.5, 0.5, 0, 1, 1, 1]])
    reference = np.array([[0.5, 0.5, 0.5, 0.5, 0, 1, 1, 0.8]])
    assert conn(alpha, reference) == pytest.approx(0.2 / 1000)


def test_components_are_of_the_whole_picture() -> None:
    # The region's one pixel hangs on to Omega through pixels that the region leaves out.
    reference = np.array([[1, 1, 1, 1]], dtype=np.float64)
    alpha = np.array([[1, 1, 1, 0.9]])
    region = np.array([[False, False, False, True]])
    assert conn(alpha, reference, region) == 0.0
    cut = np.array([[1, 1, 0, 0.9]])
    assert conn(cut, reference, region) == pytest.approx(0.1 / 1000)


def test_an_empty_region_scores_zero() -> None:
    alpha, reference = np.zeros((3, 4)), np.ones((3, 4))
    assert conn(alpha, reference, np.zeros((3, 4), dtype=bool)) == 0.0
