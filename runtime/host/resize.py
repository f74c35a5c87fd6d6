"""Resizing on the host, by the triangle filter (half-pixel centres, edges renormalised)."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.arrays import Bytes, Floats

AT_ONCE = 2**18  # values enlarged at a time, so that they stay in the processor's cache


def resize_picture(picture: Bytes, size: tuple[int, int]) -> Bytes:
    """Picture (H, W, 3) uint8 -> (height, width, 3) uint8; ``size`` is (width, height).

    Antialiased when reducing. The result is rounded to bytes, so that every port can match it
    exactly.
    """
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def resize_planes(
    planes: Floats, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> Floats:
    """Planes (C, h, w) float32 -> (C, height, width); ``size`` is (width, height).

    ``box`` (left, top, right, bottom), in source pixels, selects a part; samples near its edge
    still mix in the pixels around it. Enlarging equals torch's
    ``interpolate(mode="bilinear", align_corners=False)``; reducing is antialiased.
    """
    if box is None and (planes.shape[2], planes.shape[1]) == size:
        return planes
    left, top, right, bottom = box or (0.0, 0.0, planes.shape[2], planes.shape[1])
    if right - left <= size[0] and bottom - top <= size[1]:
        return _enlarge(planes, _places(left, right, size[0]), _places(top, bottom, size[1]))
    out = np.empty((len(planes), size[1], size[0]), np.float32)
    for plane, target in zip(planes, out, strict=True):
        image = Image.fromarray(np.ascontiguousarray(plane))
        target[...] = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
    return out


def _places(start: float, stop: float, count: int) -> NDArray[np.float64]:
    """Centres of ``count`` equal parts of start..stop, counted from the centre of pixel 0."""
    places = np.arange(count, dtype=np.float64)
    places += 0.5
    places *= (stop - start) / count
    places += start - 0.5
    return places


def _enlarge(planes: Floats, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> Floats:
    """Planes (C, h, w), mixed linearly at the places (height,) and (width,) -> (C, height, width).

    About twice as fast as Pillow, whose planes of floats are copied on the way in and out.
    """
    columns, across = _between(xs, planes.shape[2])
    rows, down = _between(ys, planes.shape[1])
    out = np.empty((len(planes), len(ys), len(xs)), np.float32)
    tall = max(1, AT_ONCE // (len(planes) * len(xs)))
    for top in range(0, len(ys), tall):
        part = slice(top, top + tall)
        first, last = int(rows[top]), int(rows[part][-1]) + 2
        wide = _mix(
            planes[:, first:last, columns[0] : columns[-1] + 2], columns - columns[0], across, 2
        )
        out[:, part] = _mix(wide, rows[part] - first, down[part, None], 1)
    return out


def _between(places: NDArray[np.float64], length: int) -> tuple[NDArray[np.intp], Floats]:
    """The pixel before each place, and how far the place is from it towards the next pixel."""
    inside = np.clip(places, 0, length - 1)
    before = np.minimum(inside.astype(np.intp), max(length - 2, 0))
    return before, (inside - before).astype(np.float32)


def _mix(planes: Floats, before: NDArray[np.intp], share: Floats, axis: int) -> Floats:
    """Pixels of an axis and, in shares, the ones after them."""
    mixed = planes.take(before, axis, mode="clip")
    if planes.shape[axis] > 1:
        change = np.diff(planes, axis=axis).take(before, axis, mode="clip")
        change *= share
        mixed += change
    return mixed
