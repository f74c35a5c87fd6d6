"""Trimaps: estimated from class probabilities, read from a picture, turned into probabilities.

A trimap is uint8 (H, W): 0 background, 128 unknown, 255 foreground. Class order of probabilities:
background, foreground, unknown (eq. 6 of Highly Efficient Natural Image Matting,
BMVC 2021).
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.errors import PictureError
from edgematte.runtime.host.resize import resize_planes

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
STRIP = 256  # rows worked on at a time, so that hardly more memory is used than the result takes
BLOCK = 64  # side of the squares, in pixels, that are either of one class or enlarged
_MIXED = 1  # what a certain pixel is not
_CLEAR = 1e-5  # classes this far apart in every pixel cannot change places by rounding


def estimate_trimap(
    probabilities: Floats, size: tuple[int, int], *, unknown_threshold: float, band_px: int
) -> Bytes:
    """Probabilities (3, h, w) -> trimap (H, W); ``size`` is (W, H) of the full picture.

    A pixel is unknown where the unknown class is the likeliest or reaches ``unknown_threshold``;
    the unknown region then grows by ``band_px`` (Chebyshev distance, pixels of the full picture).
    Every other pixel is foreground if that is likelier than background.
    """
    width, height = size
    rows, columns = probabilities.shape[1:]
    trimap = np.empty((height, width), np.uint8)
    classes = _certain(probabilities, unknown_threshold)
    for top in range(0, height, BLOCK):
        bottom = min(top + BLOCK, height)
        seen = classes[_sources(top, bottom, rows / height)]
        for left, right, value in _spans(seen, width):
            if value != _MIXED:
                trimap[top:bottom, left:right] = value
                continue
            across, down = columns / width, rows / height
            box = (left * across, top * down, right * across, bottom * down)
            background, foreground, unknown = resize_planes(
                probabilities, (right - left, bottom - top), box
            )
            part = np.where(foreground > background, np.uint8(FOREGROUND), np.uint8(BACKGROUND))
            known = np.maximum(foreground, background)
            np.putmask(part, unknown >= np.minimum(unknown_threshold, known), UNKNOWN)
            trimap[top:bottom, left:right] = part
    if band_px:
        np.putmask(trimap, dilate(trimap == UNKNOWN, band_px), UNKNOWN)
    return trimap


def _certain(probabilities: Floats, unknown_threshold: float) -> Bytes:
    """The class that a pixel (h, w) of the probabilities gives to what is mixed from its like.

    Enlarging mixes pixels linearly. Where all that are mixed agree about which class is the
    likelier, and on which side of the threshold the unknown one lies, so does what is mixed.
    """
    background, foreground, unknown = probabilities
    known = np.maximum(foreground, background)
    classes = np.full(known.shape, _MIXED, np.uint8)
    is_known = unknown + _CLEAR < np.minimum(unknown_threshold, known)
    classes[is_known & (foreground + _CLEAR < background)] = BACKGROUND
    classes[is_known & (background + _CLEAR < foreground)] = FOREGROUND
    classes[unknown >= unknown_threshold + _CLEAR] = UNKNOWN
    return classes


def _sources(start: int, stop: int, scale: float) -> slice:
    """All pixels of a line from which those of start..stop - 1 may be mixed, and a few more."""
    reach = math.ceil(max(scale, 1)) + 1
    return slice(max(0, math.floor(start * scale) - reach), math.ceil(stop * scale) + reach)


def _spans(classes: Bytes, width: int) -> Iterator[tuple[int, int, int]]:
    """Left, right and class of the parts of a row of blocks; neighbours of one class are joined."""
    scale = classes.shape[1] / width
    least, most = classes.min(0), classes.max(0)
    start, now = 0, -1
    for left in range(0, width, BLOCK):
        seen = _sources(left, min(left + BLOCK, width), scale)
        low, high = int(least[seen].min()), int(most[seen].max())
        value = low if low == high else _MIXED
        if value != now and left:
            yield start, left, now
            start = left
        now = value
    yield start, width, now


def dilate(mask: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    """Grow a mask (H, W) by a square of side ``2 * radius_px + 1``; a new array."""
    out = mask.copy()
    for axis in (0, 1):
        grown = 0
        while grown < radius_px:  # each pass may double what the last one reached
            step = min(radius_px - grown, max(grown, 1))
            view = np.moveaxis(out, axis, 0)
            source = view.copy(order="K")
            if step < len(view):
                view[step:] |= source[:-step]
                view[:-step] |= source[step:]
            else:
                view |= source.any(axis=0)
            grown += step
    return out


def read_trimap(picture: NDArray[np.uint8], size: tuple[int, int]) -> tuple[Bytes, int]:
    """A grey picture (H, W) -> (trimap, odd pixels); ``size`` is (W, H) of the image it is for.

    Bytes below 85 are background, from 170 on foreground, and unknown between. Pixels other than 0,
    127, 128, 129 and 255 are counted as odd: JPEG noise, or not a trimap at all.

    Raises:
        PictureError: another shape than the image's, or labels (0, 1, 2) in place of bytes.
    """
    if picture.ndim != 2:
        raise PictureError(
            f"the trimap should be uint8 (H, W), one channel, not {list(picture.shape)}"
        )
    if (picture.shape[1], picture.shape[0]) != tuple(size):
        raise PictureError(
            f"the trimap is {'x'.join(map(str, picture.shape[1::-1]))}, its picture "
            f"{size[0]}x{size[1]}: they must be of one size"
        )
    if picture.size and 0 < picture.max() <= 2:
        raise PictureError(
            f"the trimap holds values of 0 to {picture.max()} alone: a trimap has 0 for "
            "background, 128 for unknown and 255 for foreground"
        )
    trimap = np.full(picture.shape, UNKNOWN, np.uint8)
    trimap[picture < 85] = BACKGROUND
    trimap[picture >= 170] = FOREGROUND
    return trimap, odd_pixels(picture)


def odd_pixels(picture: Bytes) -> int:
    """How many bytes of a grey picture are not those of a trimap: 0, 127, 128, 129, 255."""
    plain = np.zeros(256, np.bool_)
    plain[[0, 127, 128, 129, 255]] = True
    return int(picture.size - np.count_nonzero(plain[picture]))


def trimap_probabilities(trimap: Bytes) -> Floats:
    """Trimap (H, W) -> one-hot probabilities (3, H, W)."""
    return np.stack([trimap == v for v in (BACKGROUND, FOREGROUND, UNKNOWN)]).astype(np.float32)


def keep_known(alpha: Floats, trimap: Bytes) -> Floats:
    """Set ``alpha`` (H, W) in place to exactly 0 or 1 where the trimap (H, W) is known."""
    for top in range(0, len(alpha), STRIP):
        rows = slice(top, top + STRIP)
        np.copyto(alpha[rows], 0, where=trimap[rows] == BACKGROUND)
        np.copyto(alpha[rows], 1, where=trimap[rows] == FOREGROUND)
    return alpha
