"""A mask from any segmenter, of any size, made into a trimap of the picture's size.

The unknown band follows the mask: the pixels that it is not sure of, and a margin around them that
grows with what one pixel of the mask covers of the picture and with the picture itself.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.errors import PictureError
from edgematte.ranges import check_options
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, STRIP, UNKNOWN

Size = tuple[int, int]  # width, height

SURE = 0.05
"""*Chosen*: values farther than this from 0 and 1 are never sure, whatever else a mask says."""
DOUBT, REST = 3.5 / 255, 0.75
"""*Measured*: values near 0 are sure up to this much above what three quarters of them are; so near
1. Where a segmenter that is quiet elsewhere says 5 of 255 it often missed something: with 0.05 for
all masks 96.1 % of soft pixels were covered with u2netp's (``benchmarks/band.py --masks``), with
this 97.0 %. A mask that is never quiet, as one that was stored with losses, has noise there."""
MASK_PIXELS = 1
"""Margin in pixels of the mask: where in a pixel of its own an edge lies, a mask does not say."""
PICTURE_SHARE = 0.035
"""Further margin as a share of the picture's longer side: over all kinds of masks that
``benchmarks/band.py --masks`` makes and finds, 97 % of the soft pixels are then unknown."""

SAMPLES = 256  # rows, and columns, at least, that are looked at to judge a whole mask
PICTURE_LEVELS = 32  # *chosen*: a mask of fewer grey levels is no photograph
BETWEEN = 0.1  # *chosen*: values this far from 0 and 1 are in between, which most of a mask is not


def trimap_from_mask(
    mask: NDArray[Any],
    size: Size,
    band_px: int | None = None,
    *,
    fit: bool = False,
    invert: bool = False,
) -> Bytes:
    """A trimap for a picture, from a binary or soft mask of its subject.

    A pixel is unknown where foreground and background are both possible within ``band_px`` of it
    (Chebyshev distance); values of the mask between 0 and 1 are both, but for those that are as
    near to 0 or 1 as what most of the mask says there, or nearly. The rest is what the mask says.
    Parts of the subject that the mask lost, farther from its edge than the band, stay background.

    Examples:
        >>> import numpy as np
        >>> mask = np.zeros((6, 8), np.uint8)
        >>> mask[1:5, 2:7] = 255
        >>> trimap_from_mask(mask, (8, 6), band_px=1)[2].tolist()
        [0, 128, 128, 255, 255, 255, 128, 128]

    Args:
        mask: (h, w) of any size: bool; uint8, 0 to 255; uint16, 0 to 65535 or, where no value is
            above 255, 0 to 255; floats in [0, 1]. Integers of 0 and 1 alone are binary.
        size: (width, height) of the picture.
        band_px: in pixels of the picture; by default :func:`default_band`.
        fit: stretch a mask of other proportions, as of segmenters that work on squares.
        invert: the mask is of the background.

    Returns:
        uint8 (H, W): 0 background, 128 unknown, 255 foreground.

    Raises:
        PictureError: no mask of a subject: another shape or dtype, values outside of the range,
            a subject that is empty or fills the picture, a photograph; or, without ``fit``, other
            proportions than the picture's.
        OptionError: a band that is no number of pixels.
    """
    check_options(band_px=band_px)
    width, height = size
    source = _Source(*_checked(np.asarray(mask)), invert)
    rows, columns = source.values.shape
    if not fit and not proportional((columns, rows), size):
        raise PictureError(
            f"the mask is {columns}x{rows}, its picture {width}x{height}: their proportions "
            "differ; give a mask of the whole picture, or let it be stretched to fit"
        )
    _refuse_pictures(source)
    _refuse_none_or_all(source)
    return _trimap(source, size, band_px)


def band_around(mask: Floats, size: Size, band_px: int | None = None) -> Bytes:
    """As :func:`trimap_from_mask`, for a mask (h, w) that a net made: it may be of nothing.

    Its values are in [0, 1], and it is stretched to the picture. A mask without a subject, or all
    subject, is a trimap without unknown pixels; one that is unsure everywhere is all unknown.
    """
    return _trimap(_Source(mask, 1.0, False), size, band_px)


def _trimap(source: "_Source", size: Size, band_px: int | None) -> Bytes:
    width, height = size
    rows, columns = source.values.shape
    seen = source.seen()
    low, high = sure_below(seen), 1 - sure_below(1 - seen)
    radius = default_band((columns, rows), size) if band_px is None else band_px
    across = _reach(columns, width, radius)
    tops, bottoms = _reach(rows, height, radius)
    trimap = np.empty((height, width), np.uint8)
    tall = max(STRIP, radius)  # so that what strips share is worked on a few times at most
    for top in range(0, height, tall):
        strip = slice(top, min(top + tall, height))
        begin, end = tops[strip][0], bottoms[strip][-1]
        down = tops[strip] - begin, bottoms[strip] - begin
        shares = source.shares(source.values[begin:end])
        subject, ground = shares > low, shares < high
        trimap[strip] = UNKNOWN
        trimap[strip][~_any(_any(subject, *across, 1), *down, 0)] = BACKGROUND
        trimap[strip][~_any(_any(ground, *across, 1), *down, 0)] = FOREGROUND
    return trimap


def default_band(mask: Size, picture: Size) -> int:
    """How far from what a mask shows its picture's edge may lie, px of the picture.

    :data:`MASK_PIXELS` of the mask and :data:`PICTURE_SHARE` of the picture's longer side. Sizes
    are (width, height).
    """
    scale = max(whole / part for whole, part in zip(picture, mask, strict=True))
    return math.ceil(MASK_PIXELS * scale + PICTURE_SHARE * max(picture))


def sure_below(shares: Floats) -> float:
    """Up to where shares of the subject are surely none: :data:`DOUBT`, :data:`REST`."""
    near = shares[shares <= SURE]
    if not near.size:
        return SURE
    return min(SURE, float(np.quantile(near, REST)) + DOUBT)


@dataclass(frozen=True)
class _Source:
    """A mask whose values are converted when they are asked for."""

    values: NDArray[Any]  # (h, w)
    white: float
    invert: bool

    def shares(self, values: NDArray[Any]) -> Floats:
        """How much of each value is subject, in [0, 1]."""
        shares = values.astype(np.float32) / np.float32(self.white)
        return np.subtract(1, shares, out=shares) if self.invert else shares

    def seen(self) -> Floats:
        """The shares of rows and columns that are looked at."""
        across, down = (max(1, length // SAMPLES) for length in self.values.shape[::-1])
        return self.shares(self.values[::down, ::across])


def _reach(mask: int, picture: int, radius: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each of ``picture`` pixels the first and, after the last, of the mask's within reach.

    A pixel of the mask is the stretch of the picture that it covers; it is within reach where that
    stretch meets the pixel and ``radius`` pixels to both sides of it.
    """
    at = np.arange(picture)
    first = np.maximum(0, (at - radius) * mask // picture)
    after = np.minimum(mask, -(-(at + 1 + radius) * mask // picture))
    return first, after


def _any(
    flags: NDArray[np.bool_], first: NDArray[np.intp], after: NDArray[np.intp], axis: int
) -> NDArray[np.bool_]:
    """Whether any of ``flags`` (h, w) from each first until each after is set, along an axis."""
    shape = (1, flags.shape[1]) if axis == 0 else (flags.shape[0], 1)
    counts = np.cumsum(flags, axis, dtype=np.int32)
    counts = np.concatenate([np.zeros(shape, np.int32), counts], axis)
    found: NDArray[np.bool_] = counts.take(after, axis) > counts.take(first, axis)
    return found


def _checked(mask: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """The mask, and its value of 1."""
    kind = mask.dtype
    if (
        mask.ndim != 2
        or not mask.size
        or not (kind in (bool, np.uint8, np.uint16) or _floats(mask))
    ):
        raise PictureError(
            "the mask should be (H, W) of bool, uint8, uint16 or floats in [0, 1], not "
            f"{kind} {list(mask.shape)}"
        )
    least, most = mask.min(), mask.max()
    if _floats(mask):
        if not (least >= 0 and most <= 1):  # NaN is neither
            raise PictureError(
                f"the mask holds floats of {least:g} to {most:g}: they should be in [0, 1]"
            )
        return mask, 1.0
    if most <= 1:
        return mask, 1.0
    return mask, 255.0 if most <= 255 else 65535.0


def _floats(mask: NDArray[Any]) -> bool:
    return mask.dtype.kind == "f"


def proportional(one: Size, other: Size) -> bool:
    """Whether one factor brings the sides of one to within a pixel of those of the other."""
    return _rounded(one, other) or _rounded(other, one)


def _rounded(small: Size, large: Size) -> bool:
    pairs = list(zip(large, small, strict=True))
    least = max(whole / (part + 1) for whole, part in pairs)
    most = min(whole / (part - 1) if part > 1 else math.inf for whole, part in pairs)
    return least <= most


def _refuse_pictures(source: _Source) -> None:
    """Refuse a photograph: many grey levels, most of them far from 0 and 1."""
    seen = source.seen()
    between = ((seen > BETWEEN) & (seen < 1 - BETWEEN)).mean()
    levels = len(np.unique(np.rint(seen * 255)))
    if between > 0.5 and levels >= PICTURE_LEVELS:
        raise PictureError(
            f"the mask looks like a picture: {between:.0%} of it is neither near 0 nor near 1; "
            "give a mask, which is bright on the subject and dark elsewhere"
        )


def _refuse_none_or_all(source: _Source) -> None:
    """Refuse a mask without a subject or without a background: it has no edge to refine."""
    none = all_ = True
    for strip in _strips(source.values):
        subject = source.shares(strip) >= 0.5
        none, all_ = none and not subject.any(), all_ and bool(subject.all())
        if not none and not all_:
            return
    least, most = source.values.min(), source.values.max()
    what = "no value reaches half" if none else "no value is below half"
    raise PictureError(
        f"the mask's subject {'is empty' if none else 'fills the picture'}: {what} of "
        f"{source.white:g} (its values are {least:g} to {most:g}"
        f"{', inverted' if source.invert else ''}); there is no edge to refine"
    )


def _strips(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for top in range(0, len(values), STRIP):
        yield values[top : top + STRIP]
