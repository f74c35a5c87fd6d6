import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgematte.runtime.host.resize import resize_picture, resize_planes

Array = NDArray[np.float64]
SIDES = st.integers(1, 40)
SEEDS = st.integers(0, 2**32 - 1)


def matrix(source: int, target: int) -> Array:
    """Triangle filter with half-pixel centres, widened when reducing: (target, source)."""
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale
    distance = np.abs(np.arange(source) + 0.5 - centres[:, None]) / max(scale, 1)
    weights = np.maximum(0, 1 - distance)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def expected(planes: NDArray[np.float32], size: tuple[int, int]) -> Array:
    across, down = matrix(planes.shape[2], size[0]), matrix(planes.shape[1], size[1])
    return np.asarray(np.einsum("Yy,cyx,Xx->cYX", down, planes.astype(np.float64), across))


def noise(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


# Pillow filters in double and keeps float32 between its two passes: a few roundings of 6e-8.
CLOSE = 1e-6


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIDES, SIDES, SIDES, SIDES)
def test_planes_are_what_the_filter_says(
    seed: int, h: int, w: int, height: int, width: int
) -> None:
    planes = noise(seed, 2, h, w)
    found = resize_planes(planes, (width, height))
    assert found.shape == (2, height, width) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected(planes, (width, height)), atol=CLOSE)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIDES, SIDES, SIDES, SIDES)
def test_enlarging_is_scipys_bilinear(seed: int, h: int, w: int, more: int, wider: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    planes, height, width = noise(seed, 1, h, w), h + more, w + wider
    y = (np.arange(height) + 0.5) * h / height - 0.5
    x = (np.arange(width) + 0.5) * w / width - 0.5
    grid = np.meshgrid(y, x, indexing="ij")
    wanted = ndimage.map_coordinates(planes[0].astype(np.float64), grid, order=1, mode="nearest")
    np.testing.assert_allclose(resize_planes(planes, (width, height))[0], wanted, atol=CLOSE)


@pytest.mark.parametrize("size", [(77, 50), (160, 120), (33, 25)])
def test_enlarging_is_torchs_interpolate(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    planes = noise(3, 3, 25, 33)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(planes)[None], size=size[::-1], mode="bilinear", align_corners=False
    )[0].numpy()
    # torch computes the weights in float32: positions up to 160 carry 1e-5 of rounding.
    np.testing.assert_allclose(resize_planes(planes, size), wanted, atol=3e-5)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIDES, SIDES, st.integers(2, 60), st.integers(2, 60), st.data())
def test_a_box_is_that_part_of_the_whole(
    seed: int, h: int, w: int, height: int, width: int, data: st.DataObject
) -> None:
    planes = noise(seed, 1, h, w)
    top = data.draw(st.integers(0, height - 1))
    bottom = data.draw(st.integers(top + 1, height))
    left = data.draw(st.integers(0, width - 1))
    right = data.draw(st.integers(left + 1, width))
    box = (left * w / width, top * h / height, right * w / width, bottom * h / height)
    part = resize_planes(planes, (right - left, bottom - top), box)
    whole = resize_planes(planes, (width, height))[:, top:bottom, left:right]
    # Pillow keeps the box in float32: corners near 40 are off by up to 4e-6 of a pixel.
    np.testing.assert_allclose(part, whole, atol=2e-5)


def test_a_box_enlarged_to_the_size_of_the_whole_is_still_the_box() -> None:
    planes = noise(4, 1, 8, 8)
    found = resize_planes(planes, (8, 8), (0, 0, 4, 4))
    np.testing.assert_allclose(found, resize_planes(planes, (16, 16))[:, :8, :8], atol=CLOSE)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIDES, SIDES, SIDES, SIDES)
def test_pictures_are_filtered_and_rounded(
    seed: int, h: int, w: int, height: int, width: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8)
    found = resize_picture(picture, (width, height))
    assert found.shape == (height, width, 3) and found.dtype == np.uint8
    wanted = expected(picture.transpose(2, 0, 1).astype(np.float32), (width, height))
    # Bytes are rounded after each of the two passes: half a level twice, and the fixed point.
    assert np.abs(found.transpose(2, 0, 1) - wanted).max() <= 1.01


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_a_constant_picture_stays_that_constant(value: int) -> None:
    picture = np.full((37, 53, 3), value, np.uint8)
    for size in ((5, 7), (512, 512), (53, 11)):
        assert (resize_picture(picture, size) == value).all()


def test_constant_planes_stay_constant() -> None:
    planes = np.full((1, 9, 7), 0.3, np.float32)
    np.testing.assert_allclose(resize_planes(planes, (640, 3)), 0.3, atol=CLOSE)


def test_reducing_a_checkerboard_gives_grey() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    found = resize_picture(np.repeat(board[..., None], 3, axis=2), (8, 8))
    assert np.abs(found.astype(int) - 127.5).max() < 4  # a filter without antialiasing gives 0, 255


def test_channels_keep_their_order() -> None:
    picture = np.empty((20, 30, 3), np.uint8)
    picture[...] = (10, 100, 200)
    assert (resize_picture(picture, (7, 5)) == (10, 100, 200)).all()


def test_the_same_size_changes_nothing() -> None:
    planes = noise(1, 3, 11, 13)
    picture = np.random.default_rng(1).integers(0, 256, (11, 13, 3), np.uint8)
    np.testing.assert_array_equal(resize_planes(planes, (13, 11)), planes)
    np.testing.assert_array_equal(resize_picture(picture, (13, 11)), picture)


def test_views_that_are_not_contiguous_are_read_right() -> None:
    planes = noise(2, 2, 24, 30)
    view = planes[:, ::2, ::-3]
    plain = np.ascontiguousarray(view)
    np.testing.assert_array_equal(resize_planes(view, (40, 40)), resize_planes(plain, (40, 40)))
