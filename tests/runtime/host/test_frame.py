"""Pictures of any size in a static frame, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.runtime.host.frame import (
    classes_from_frame,
    frame_for,
    from_frame,
    to_frame,
)
from edgematte.runtime.host.resize import resize_picture

SIDES = st.integers(1, 90)


@settings(max_examples=80, deadline=None)
@given(SIDES, SIDES)
def test_what_fits_is_kept_pixel_by_pixel_and_reflected(width: int, height: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    frame = frame_for((width, height), (96, 96))
    framed = to_frame(picture, frame)
    assert framed.shape == (96, 96, 3)
    np.testing.assert_array_equal(framed[:height, :width], picture)
    np.testing.assert_array_equal(  # numpy repeats a single row or column
        framed, np.pad(picture, [(0, 96 - height), (0, 96 - width), (0, 0)], mode="reflect")
    )
    alpha = np.asarray(framed[..., 0] / 255, np.float32)
    np.testing.assert_array_equal(from_frame(alpha, frame), alpha[:height, :width])
    classes = framed[..., 1]
    np.testing.assert_array_equal(classes_from_frame(classes, frame), picture[..., 1])


@pytest.mark.parametrize(
    ("picture", "used"),
    [
        ((200, 100), (96, 48)),
        ((100, 200), (32, 64)),
        ((97, 64), (96, 63)),
        ((3000, 1), (96, 1)),
        ((96, 64), (96, 64)),
    ],
)
def test_what_is_larger_is_reduced_in_proportion(
    picture: tuple[int, int], used: tuple[int, int]
) -> None:
    frame = frame_for(picture, (96, 64))
    assert frame.used == used
    pixels = np.random.default_rng(1).integers(0, 256, (picture[1], picture[0], 3), np.uint8)
    framed = to_frame(pixels, frame)
    np.testing.assert_array_equal(framed[: used[1], : used[0]], resize_picture(pixels, used))
    alpha = from_frame(np.full((64, 96), 0.25, np.float32), frame)
    assert alpha.shape == picture[::-1]
    np.testing.assert_allclose(alpha, 0.25, atol=1e-6)


def test_classes_are_not_mixed_and_stay_in_place() -> None:
    frame = frame_for((400, 200), (96, 64))
    half = np.zeros((64, 96), np.uint8)
    half[:, 48:] = 255
    found = classes_from_frame(half, frame)
    assert found.shape == (200, 400)
    np.testing.assert_array_equal(found, np.repeat([[0, 255]], 200, axis=0).repeat(200, axis=1))
