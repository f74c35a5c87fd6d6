"""Foreground colours: against a plain re-computation, and against colours that are known."""

import numpy as np
import pytest
from scipy import ndimage

from edgematte.runtime.host import foreground
from edgematte.runtime.host.foreground import estimate_foreground


def plain(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The same method on whole arrays, with scipy's box filter; windows end at the border."""

    def mean(colour: np.ndarray, weight: np.ndarray, radius: int) -> np.ndarray:
        def box(x: np.ndarray) -> np.ndarray:
            return np.asarray(ndimage.uniform_filter(x, 2 * radius + 1, mode="constant"))

        weight = weight + 1e-5
        planes = [box(colour[..., c] * weight) / box(weight) for c in range(3)]
        return np.stack(planes, axis=-1)

    image = picture.astype(np.float64)
    front = back = image
    a = alpha[..., None].astype(np.float64)
    for radius in foreground.RADII_PX:
        near, back = mean(front, alpha, radius), mean(back, 1 - alpha, radius)
        front = near + a * (image - a * near - (1 - a) * back)
    return np.asarray(np.clip(front, 0, 255))


def soft_alpha(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(x - width / 2, y - height / 2) - min(height, width) / 3
    return np.asarray(np.clip(0.5 - distance / 12, 0, 1), np.float32)


@pytest.mark.parametrize("shape", [(40, 60), (300, 30), (1, 1), (700, 12)])
def test_strips_and_running_sums_change_nothing(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (*shape, 3), np.uint8)
    got = estimate_foreground(picture, soft_alpha(*shape))
    assert got.dtype == np.uint8
    # Rounded to bytes: half a level, and float32 blending on top of it.
    np.testing.assert_allclose(got, plain(picture, soft_alpha(*shape)), atol=0.51)


def test_where_alpha_is_one_the_picture_stays() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    alpha = soft_alpha(64, 64)
    same = estimate_foreground(picture, alpha)[alpha == 1].astype(int)
    assert np.abs(same - picture[alpha == 1]).max() <= 1  # of rounding


def test_the_halo_of_a_known_subject_is_gone() -> None:
    alpha = soft_alpha(120, 160)
    red, green = np.array([200, 30, 40]), np.array([20, 180, 60])
    mixed = alpha[..., None] * red + (1 - alpha[..., None]) * green
    picture = np.rint(mixed).astype(np.uint8)
    edge = (alpha > 0.1) & (alpha < 0.9)
    halo = np.abs(picture[edge].astype(float) - red).mean()
    left = np.abs(estimate_foreground(picture, alpha)[edge].astype(float) - red).mean()
    assert left < 0.15 * halo  # the method is approximate; the plain picture is at 1
