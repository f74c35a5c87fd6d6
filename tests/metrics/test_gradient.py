from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from edgematte.metrics import grad
from edgematte.metrics.gradient import gaussian_derivatives

Plane = npt.NDArray[np.float64]


def kernel() -> Plane:
    """The 2-D kernel of the public evaluation code, entry by entry from the definition."""
    sigma, epsilon = 1.4, 1e-2
    half = int(np.ceil(sigma * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * sigma * epsilon))))
    assert half == 4

    def density(x: float) -> float:
        return float(np.exp(-(x**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi)))

    across = np.zeros((2 * half + 1, 2 * half + 1))
    for i in range(2 * half + 1):
        for j in range(2 * half + 1):
            y, x = i - half, j - half
            across[i, j] = density(y) * -x * density(x) / sigma**2
    across /= np.sqrt((across**2).sum())
    return across


def derivatives_by_scipy(picture: npt.NDArray[Any]) -> tuple[Plane, Plane]:
    picture = picture.astype(np.float64)
    return (
        ndimage.convolve(picture, kernel(), mode="nearest"),
        ndimage.convolve(picture, kernel().T, mode="nearest"),
    )


def grad_by_scipy(
    alpha: npt.NDArray[Any], reference: npt.NDArray[Any], region: npt.NDArray[np.bool_] | None
) -> float:
    ax, ay = derivatives_by_scipy(alpha)
    rx, ry = derivatives_by_scipy(reference)
    error = (np.sqrt(ax**2 + ay**2) - np.sqrt(rx**2 + ry**2)) ** 2
    return float(error.sum() if region is None else error[region].sum()) / 1000


SHAPES = [(40, 50), (1, 1), (1, 30), (30, 1), (3, 5), (8, 9), (9, 8), (300, 700), (2, 70_000)]


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_match_scipy(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).random(shape)
    for ours, theirs in zip(
        gaussian_derivatives(picture, slice(0, shape[0])),
        derivatives_by_scipy(picture),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@given(st.data())
def test_derivatives_of_some_rows_are_those_of_the_whole(data: st.DataObject) -> None:
    height, width = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
    start = data.draw(st.integers(0, height - 1))
    rows = slice(start, data.draw(st.integers(start + 1, height)))
    picture = data.draw(hnp.arrays(np.float64, (height, width), elements=st.floats(0, 1, width=32)))
    for ours, theirs in zip(
        gaussian_derivatives(picture, rows), derivatives_by_scipy(picture), strict=True
    ):
        assert ours.shape == theirs[rows].shape
        np.testing.assert_allclose(ours, theirs[rows], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_grad_matches_scipy(shape: tuple[int, int], dtype: type) -> None:
    rng = np.random.default_rng(2)
    alpha: npt.NDArray[Any] = rng.random(shape).astype(dtype)
    reference: npt.NDArray[Any] = rng.random(shape).astype(dtype)
    region = rng.random(shape) < 0.2
    for counted in (None, region):
        expected = grad_by_scipy(alpha, reference, counted)
        assert grad(alpha, reference, counted) == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_a_region_that_spares_whole_bands() -> None:
    rng = np.random.default_rng(3)
    alpha, reference = rng.random((400, 900)), rng.random((400, 900))
    region = np.zeros((400, 900), dtype=bool)
    region[390:, 5] = region[0, 899] = True
    assert grad(alpha, reference, region) == pytest.approx(grad_by_scipy(alpha, reference, region))


def test_a_step_by_hand() -> None:
    # Along a straight edge the derivative is the part of the kernel that falls on the high side.
    reference = np.zeros((20, 20))
    reference[:, 10:] = 1
    slopes = kernel().sum(axis=0)
    magnitude = np.array([abs(slopes[: x - 10 + 5].sum()) for x in range(6, 14)])
    expected = 20 * (magnitude**2).sum() / 1000
    assert grad(np.zeros_like(reference), reference) == pytest.approx(expected)


def test_direction_does_not_count() -> None:
    ramp = np.linspace(0, 1, 30)[:, None] * np.ones((1, 30))
    inside = np.zeros((30, 30), dtype=bool)
    inside[8:-8, 8:-8] = True
    assert grad(ramp, ramp[::-1].copy(), inside) == pytest.approx(0, abs=1e-20)
    assert grad(ramp, ramp.T.copy(), inside) == pytest.approx(0, abs=1e-20)


def test_mattes_are_not_stretched() -> None:
    ramp = np.linspace(0, 1, 30)[:, None] * np.ones((1, 30))
    assert grad(ramp / 2, ramp) > 0


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_constant_pictures_have_no_gradient(value: float) -> None:
    alpha = np.full((12, 13), value)
    assert grad(alpha, np.zeros_like(alpha)) == pytest.approx(0, abs=1e-25)


def test_an_empty_region_scores_zero() -> None:
    alpha, reference = np.zeros((3, 4)), np.eye(3, 4)
    assert grad(alpha, reference, np.zeros((3, 4), dtype=bool)) == 0.0
