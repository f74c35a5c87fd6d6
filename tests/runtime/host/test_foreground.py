"""Foreground colours: against a plain re-computation, and against colours that are known."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte.runtime.host import foreground
from edgematte.runtime.host.foreground import estimate_foreground

SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))


def plain(picture: NDArray[Any], alpha: NDArray[Any], top: float) -> NDArray[Any]:
    """The same method on whole arrays, pixels' two equations given to a solver of equations."""
    levels = max(0, max(alpha.shape) - 1).bit_length()
    pair: NDArray[Any] | None = None  # (h, w, 2, 3)
    for level in range(levels, -1, -1):
        every = 1 << level
        image = picture[::every, ::every].astype(float) / top
        a = alpha[::every, ::every].astype(float)
        height, width = a.shape
        if pair is None:
            pair = np.stack([image, image], axis=2)
            continue
        pair = pair[np.arange(height) // 2][:, np.arange(width) // 2]
        small = max(a.shape) <= foreground.SMALL_PX
        for _ in range(foreground.SMALL_STEPS if small else foreground.STEPS):
            pair = one_step(image, a, pair)
    assert pair is not None
    front = np.where((alpha < foreground.OPAQUE)[..., None], pair[:, :, 0], picture / top)
    return np.asarray(front * top)


def one_step(image: NDArray[Any], a: NDArray[Any], pair: NDArray[Any]) -> NDArray[Any]:
    height, width = a.shape
    if a.size == 1:
        return pair
    known = np.zeros((height, width, 2, 3))
    total = np.zeros((height, width))
    for down, across in SIDES:
        near_a, near = np.full_like(a, np.nan), np.zeros_like(pair)
        to = np.s_[max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)]
        of = np.s_[
            max(-down, 0) : height + min(-down, 0), max(-across, 0) : width + min(-across, 0)
        ]
        near_a[to], near[to] = a[of], pair[of]
        weight = np.nan_to_num(np.abs(a - near_a) + foreground.EPSILON)
        total += weight
        known += weight[..., None, None] * near
    share = np.stack([a, 1 - a], axis=2)
    matrix = share[..., :, None] * share[..., None, :] + total[..., None, None] * np.eye(2)
    known += share[..., None] * image[:, :, None]
    return np.asarray(np.linalg.solve(matrix, known).clip(0, 1))


def soft_alpha(height: int, width: int) -> NDArray[np.float32]:
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(x - width / 2, y - height / 2) - min(height, width) / 3
    return np.asarray(np.clip(0.5 - distance / 12, 0, 1), np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(40, 60), (150, 30), (1, 1), (1, 9), (200, 3), (70, 270)])
def test_blocks_and_closed_steps_change_nothing(
    shape: tuple[int, int], dtype: type[np.unsignedinteger]
) -> None:
    random = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    picture = random.integers(0, top + 1, (*shape, 3)).astype(dtype)
    alpha = soft_alpha(*shape)
    got = estimate_foreground(picture, alpha)
    assert got.dtype == dtype
    # Rounded: half a level; float32 has 24 bits, and equations of weights near 1e-5 lose 8 of them.
    wanted = plain(picture, alpha, top)
    soft = alpha > 0  # where it is 0 a block without soft pixels has the level before it alone
    np.testing.assert_allclose(got[soft], wanted[soft], atol=0.51 + top / 2**14)


def test_where_alpha_is_one_the_picture_stays() -> None:
    random = np.random.default_rng(1)
    alpha = soft_alpha(64, 300)
    for picture in (
        random.integers(0, 256, (64, 300, 3)).astype(np.uint8),
        random.integers(0, 65536, (64, 300, 3)).astype(np.uint16),
        random.random((64, 300, 3)).astype(np.float16) * np.float16(40),
    ):
        got = estimate_foreground(picture, alpha)
        assert got.dtype == picture.dtype
        np.testing.assert_array_equal(got[alpha == 1], picture[alpha == 1])


def test_the_halo_of_a_known_subject_is_gone() -> None:
    alpha = soft_alpha(120, 160)
    red, green = np.array([200, 30, 40]), np.array([20, 180, 60])
    mixed = alpha[..., None] * red + (1 - alpha[..., None]) * green
    picture = np.rint(mixed).astype(np.uint8)
    edge = (alpha > 0.1) & (alpha < 0.9)
    halo = np.abs(picture[edge].astype(float) - red).mean()
    left = np.abs(estimate_foreground(picture, alpha)[edge].astype(float) - red).mean()
    assert left < 0.05 * halo  # the method is approximate; the plain picture is at 1


def test_light_beyond_white_is_kept_and_nan_does_not_spread() -> None:
    alpha = soft_alpha(120, 160)
    red, green = np.array([6.0, 0.5, 0.25]), np.array([0.1, 0.8, 0.2])
    light = (alpha[..., None] * red + (1 - alpha[..., None]) * green).astype(np.float32)
    light[60, 80:83] = np.nan, np.inf, -np.inf
    light[60, 20] = np.nan
    got = estimate_foreground(light, alpha)
    edge = (alpha > 0.1) & (alpha < 0.9)
    assert np.abs(got[edge] - red).mean() < 0.05 * np.abs(light[edge] - red).mean()
    np.testing.assert_array_equal(got[60, 80:83], light[60, 80:83])  # alpha is 1


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_one_alpha_everywhere(value: float) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (90, 70, 3)).astype(np.uint8)
    got = estimate_foreground(picture, np.full((90, 70), value, np.float32))
    assert got.shape == picture.shape
    if value == 1:
        np.testing.assert_array_equal(got, picture)


def test_no_farther_from_the_truth_than_the_authors_program() -> None:
    """PyMatting is by the authors of the method."""
    pymatting = pytest.importorskip("pymatting", reason="needs pymatting (group evaluation)")
    random = np.random.default_rng(3)
    alpha = (soft_alpha(96, 128) * random.random((96, 128))).astype(np.float32)  # strands
    y, x = np.mgrid[:96, :128]
    front = np.stack([180 + 40 * np.sin(x / 30), 90 + y / 2, 60 + x / 4], axis=2)
    back = np.stack([60 + y, 120 + 50 * np.cos(y / 25), 200 - x], axis=2)
    weight = alpha[..., None]
    picture = np.rint(weight * front + (1 - weight) * back).astype(np.uint8)
    soft = (alpha > 0.05) & (alpha < 1)
    theirs = pymatting.estimate_foreground_ml(picture / 255.0, alpha.astype(float)) * 255
    ours = estimate_foreground(picture, alpha)
    distances = [np.abs(found[soft] - front[soft]).mean() for found in (ours, theirs)]
    assert distances[0] <= distances[1]
