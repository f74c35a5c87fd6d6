from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgematte.metrics import mad, mse, sad

Alpha = npt.NDArray[Any]


def test_by_hand() -> None:
    alpha = np.array([[0.0, 0.5], [1.0, 0.25]])
    reference = np.array([[0.25, 0.5], [0.0, 0.75]])
    assert sad(alpha, reference) == 1.75 / 1000
    assert mad(alpha, reference) == 1.75 / 4
    assert mse(alpha, reference) == (0.0625 + 1 + 0.25) / 4


def test_by_hand_within_a_region() -> None:
    alpha = np.array([[0.0, 0.5], [1.0, 0.25]])
    reference = np.array([[0.25, 0.5], [0.0, 0.75]])
    region = np.array([[True, True], [False, True]])
    assert sad(alpha, reference, region) == 0.75 / 1000
    assert mad(alpha, reference, region) == 0.25
    assert mse(alpha, reference, region) == (0.0625 + 0.25) / 3


@st.composite
def cases(draw: st.DrawFn) -> tuple[Alpha, Alpha, npt.NDArray[np.bool_] | None]:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    values = st.integers(0, 255).map(lambda k: k / 255)
    alpha, reference = (draw(hnp.arrays(np.float64, shape, elements=values)) for _ in range(2))
    region = draw(st.none() | hnp.arrays(np.bool_, shape))
    return alpha.astype(dtype), reference.astype(dtype), region


@given(cases())
def test_any_pair_matches_the_definition(
    case: tuple[Alpha, Alpha, npt.NDArray[np.bool_] | None],
) -> None:
    alpha, reference, region = case
    counted = np.ones(alpha.shape, dtype=bool) if region is None else region
    difference = [
        float(a) - float(r)
        for a, r, c in zip(alpha.flat, reference.flat, counted.flat, strict=True)
        if c
    ]
    count = max(1, len(difference))
    assert sad(alpha, reference, region) == pytest.approx(sum(map(abs, difference)) / 1000)
    assert mad(alpha, reference, region) == pytest.approx(sum(map(abs, difference)) / count)
    assert mse(alpha, reference, region) == pytest.approx(sum(d * d for d in difference) / count)


@pytest.mark.parametrize("shape", [(700, 300), (3, 200_000), (200_000, 2)])
def test_bands_cover_every_pixel_once(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    alpha, reference = rng.random(shape), rng.random(shape)
    region = rng.random(shape) < 0.3
    difference = (alpha - reference)[region]
    assert sad(alpha, reference) == pytest.approx(np.abs(alpha - reference).sum() / 1000)
    assert sad(alpha, reference, region) == pytest.approx(np.abs(difference).sum() / 1000)
    assert mad(alpha, reference, region) == pytest.approx(np.abs(difference).mean())
    assert mse(alpha, reference, region) == pytest.approx(np.square(difference).mean())


def test_float32_is_summed_in_float64() -> None:
    # In float32 a sum of so many tenths stops at about 1e-4 of its value.
    alpha = np.full((2000, 1000), 0.1, dtype=np.float32)
    reference = np.zeros_like(alpha)
    assert mad(alpha, reference) == pytest.approx(float(np.float32(0.1)), rel=1e-13)


@pytest.mark.parametrize("metric", [sad, mad, mse])
def test_an_empty_region_scores_zero(metric: Callable[..., float]) -> None:
    alpha, reference = np.zeros((3, 4)), np.ones((3, 4))
    assert metric(alpha, reference, np.zeros((3, 4), dtype=bool)) == 0.0
