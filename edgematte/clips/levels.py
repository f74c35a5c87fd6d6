"""A frame's luma and chroma as the clip stores them, at its own depth, for a copy that keeps them.

RGB would not: it has no place for what is brighter than white and for colours outside of its cube,
and rounding to it and back moves levels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.clips.transparency import has_alpha
from edgematte.pictures import alpha_bytes

Plane = NDArray[np.unsignedinteger[Any]]

KEPT = {1: 1, 5: 6, 6: 6, 9: 9}
"""Matrices (ITU-T H.273) of levels that are copied, and the numbers that they are written with:
ITU-R 709, 601 (5 and 6 are one matrix, and ProRes knows 6), BT.2020. Other clips pass as RGB."""
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""What red and blue weigh in luma, by matrix; green the rest of 1."""
FULL_RANGE = 2  # FFmpeg's number
STRIP = 256  # rows that are worked on at a time
DEPTHS = (8, 9, 10, 12, 16)  # bits of formats with and without transparency


@dataclass(frozen=True)
class Levels:
    """Luma and two planes of chroma, each (H, W), upright and with square pixels.

    `bits` of a sample; `full`: from 0 to the highest, otherwise as ITU-R 709 (limited range) has
    them; `matrix`: a number of H.273; `alpha` (H, W), in [0, 1], where the clip has it.
    """

    planes: tuple[Plane, Plane, Plane]
    bits: int
    full: bool
    matrix: int
    alpha: Floats | None = None

    @classmethod
    def of_rgb(cls, rgb: NDArray[np.uint16], matrix: int, bits: int) -> "Levels":
        """RGB (H, W, 3) of 16 bits in limited range, by ITU-T H.273.

        FFmpeg would make white 944 of 1023, where it is 940.
        """
        red, blue = WEIGHTS[matrix]
        luma = np.array([red, 1 - red - blue, blue])
        columns = [luma, ([0, 0, 1] - luma) / (2 - 2 * blue), ([1, 0, 0] - luma) / (2 - 2 * red)]
        unit = 1 << (bits - 8)
        scaled = np.stack(columns, axis=1) * np.array([219, 224, 224]) * unit / 65535
        zero = np.array([16, 128, 128], np.float32) * unit + np.float32(0.5)  # to be rounded
        planes = np.empty((3, *rgb.shape[:2]), _kind(bits))
        for first in range(0, len(rgb), STRIP):
            rows = slice(first, first + STRIP)
            strip = rgb[rows].astype(np.float32) @ scaled.astype(np.float32) + zero
            planes[:, rows] = np.moveaxis(strip, 2, 0)
        return cls((planes[0], planes[1], planes[2]), bits, full=False, matrix=matrix)

    def without_hidden(self, alpha: Floats) -> "Levels":
        """Black where alpha (H, W), rounded to 8 bits, is 0."""
        hidden = alpha_bytes(alpha) == 0
        black = 0 if self.full else 16 << (self.bits - 8)
        grey = 1 << (self.bits - 1)
        luma, *chroma = (
            np.where(hidden, plane.dtype.type(value), plane)
            for plane, value in zip(self.planes, (black, grey, grey), strict=True)
        )
        return replace(self, planes=(luma, chroma[0], chroma[1]))

    def limited(self, bits: int) -> tuple[Plane, Plane, Plane]:
        """The planes in limited range with so many bits; more bits keep every level apart."""
        luma, blue, red = self.planes
        return self._luma(luma, bits), self._chroma(blue, bits), self._chroma(red, bits)

    def rgb(self) -> NDArray[np.uint16]:
        """RGB (H, W, 3) in 16 bits, by ITU-T H.273; what is outside of its cube is cut off.

        FFmpeg would make white 65283 of 65535.
        """
        red, blue = WEIGHTS[self.matrix]
        green, tint = 1 - red - blue, (2 - 2 * red, 2 - 2 * blue)
        unit = np.float32(1 << (self.bits - 8))
        top = np.float32((1 << self.bits) - 1)
        black, white, chroma = (0, top, top) if self.full else (16 * unit, 219 * unit, 224 * unit)
        matrix = np.array(
            [[1, 1, 1], [0, -tint[1] * blue / green, tint[1]], [tint[0], -tint[0] * red / green, 0]]
        )
        matrix /= np.array([white, chroma, chroma])[:, None] / 65535
        zero = np.array([black, 128 * unit, 128 * unit]) @ matrix - 0.5  # to be rounded
        out = np.empty((*self.planes[0].shape, 3), np.uint16)
        for first in range(0, len(out), STRIP):
            rows = slice(first, first + STRIP)
            strip = np.stack([plane[rows] for plane in self.planes], axis=2).astype(np.float32)
            strip = strip @ matrix.astype(np.float32) - zero.astype(np.float32)
            out[rows] = np.clip(strip, 0, 65535)
        return out

    def _luma(self, plane: Plane, bits: int) -> Plane:
        if not self.full:
            return _at(plane, self.bits, bits)
        unit = 1 << (bits - 8)
        return self._looked_up(plane, bits, lambda share: unit * (16 + 219 * share))

    def _chroma(self, plane: Plane, bits: int) -> Plane:
        if not self.full:
            return _at(plane, self.bits, bits)
        unit, middle = 1 << (bits - 8), (1 << (self.bits - 1)) / ((1 << self.bits) - 1)
        return self._looked_up(plane, bits, lambda share: unit * (128 + 224 * (share - middle)))

    def _looked_up(
        self, plane: Plane, bits: int, curve: Callable[[NDArray[Any]], NDArray[Any]]
    ) -> Plane:
        shares = np.arange(1 << self.bits) / ((1 << self.bits) - 1)
        table: NDArray[Any] = np.rint(curve(shares)).astype(_kind(bits))
        return np.asarray(table[plane])


def _at(plane: Plane, old: int, new: int) -> Plane:
    """Samples of limited range with another number of bits; with fewer they are rounded."""
    if new >= old:
        return plane if new == old else np.asarray(plane.astype(_kind(new)) << (new - old))
    by = old - new
    rounded = (plane.astype(np.uint32) + (1 << (by - 1))) >> by
    return np.asarray(np.minimum(rounded, (1 << new) - 1).astype(_kind(new)))


def _kind(bits: int) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if bits > 8 else np.uint8


def bits_of(format_: Any) -> int:
    """Bits of a sample of a pixel format; 8 where it is not known."""
    return max((int(c.bits) for c in format_.components), default=8) if format_ else 8


def has_levels(frame: Any, matrix: int) -> bool:
    """Whether a decoded frame has luma and chroma that are copied."""
    kind = frame.format
    coloured = len(kind.components) >= 3 and not kind.is_rgb and not kind.has_palette
    return (
        coloured and not kind.name.startswith("xyz") and matrix in KEPT and bits_of(kind) in DEPTHS
    )


def levels_of(
    frame: Any, size: tuple[int, int], matrix: int, turned: Callable[[NDArray[Any]], NDArray[Any]]
) -> Levels:
    """The levels of a decoded frame.

    Args:
        frame: a PyAV frame for which :func:`has_levels` is true.
        size: (width, height) with square pixels, before it is turned.
        matrix: of the frame.
        turned: makes an array (H, W) upright.
    """
    bits, clear = bits_of(frame.format), has_alpha(frame)
    full = int(frame.color_range) == FULL_RANGE or frame.format.name.startswith("yuvj")
    kind = "yuva444p" if clear else "yuv444p"
    whole = frame.reformat(
        width=size[0],
        height=size[1],
        format=kind if bits == 8 else f"{kind}{bits}le",
        interpolation=None if size == (frame.width, frame.height) else "BICUBIC",
        **dict.fromkeys(("src_color_range", "dst_color_range"), FULL_RANGE if full else 1),
    )
    luma, blue, red = (turned(samples(whole.planes[i], bits).copy()) for i in range(3))
    alpha: Floats | None = None
    if clear:
        shares = samples(whole.planes[3], bits).astype(np.float32)
        alpha = turned(shares / np.float32((1 << bits) - 1))
    return Levels((luma, blue, red), bits, full, KEPT[matrix], alpha)


def samples(plane: Any, bits: int) -> NDArray[Any]:
    """The samples (H, W) of a plane of a PyAV frame, which changes with them."""
    rows = np.frombuffer(plane, _kind(bits)).reshape(plane.height, -1)
    return rows[:, : plane.width]
