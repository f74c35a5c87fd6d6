"""Covering the unknown pixels of a picture with few patches, and stitching what they give."""

import math

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.patches import Patch, blend_window
from edgematte.runtime.host.trimap import FOREGROUND


def cover(unknown: NDArray[np.bool_], side: int, margin: int, lattice: int) -> list[Patch]:
    """Patches that together hold every unknown pixel in their cores, row by row.

    The core of a patch is the patch without its margins; it has no margin at the picture's own
    borders. Along each axis patches start at the multiples of ``lattice``, from 0 to the first from
    where a patch reaches the picture's end. They are chosen one after the other: each time the
    patch whose core adds the most unknown pixels, and of several such patches the uppermost, then
    the leftmost.

    Args:
        unknown: (H, W).
        side: side of a patch, a multiple of ``lattice``; at least ``lattice`` more than two
            margins.
        margin: margin of a patch, in pixels.
        lattice: distance between the places where patches may start, in pixels.
    """
    cell = math.gcd(lattice, margin)
    left = _counts(unknown, cell)
    rows, columns = (_cores(n, side, margin, lattice) for n in unknown.shape)
    rows, columns = (-(-spans // cell) for spans in (rows, columns))
    height, width = left.shape
    corners = []
    while left.any():
        total = np.zeros((height + 1, width + 1), np.int64)
        total[1:, 1:] = left.cumsum(axis=0).cumsum(axis=1)
        strips = total[rows[:, 1]] - total[rows[:, 0]]
        gain = strips[:, columns[:, 1]] - strips[:, columns[:, 0]]
        row, column = np.unravel_index(gain.argmax(), gain.shape)
        left[slice(*rows[row]), slice(*columns[column])] = 0
        corners.append((int(row) * lattice, int(column) * lattice))
    return [Patch(x, y, side) for y, x in sorted(corners)]


def _counts(unknown: NDArray[np.bool_], cell: int) -> NDArray[np.int64]:
    """How many pixels of each square of ``cell`` pixels are unknown; outside there are none."""
    height, width = (-(-n // cell) for n in unknown.shape)
    whole = np.zeros((height * cell, width * cell), np.bool_)
    whole[: unknown.shape[0], : unknown.shape[1]] = unknown
    counts: NDArray[np.int64] = whole.reshape(height, cell, width, cell).sum((1, 3), np.int64)
    return counts


def _cores(length: int, side: int, margin: int, lattice: int) -> NDArray[np.int64]:
    """First and last (excluded) pixel of the core of each possible patch along an axis: (n, 2)."""
    count = max(0, -(-(length - side) // lattice)) + 1
    starts = np.arange(count, dtype=np.int64) * lattice
    first = np.where(starts > 0, starts + margin, 0)
    last = np.where(starts + side < length, starts + side - margin, length)
    return np.stack([first, last], axis=1)


class CoverStitcher:
    """Blends patches that lie where they are needed; where they end, they fade into the trimap.

    With the weights of eq. 5 alpha is the sum of weighted patches over the sum of weights, as in
    eq. 6; where that is less than 1, known pixels of the trimap have what is missing to 1. In the
    core of a patch it is at least 1. Memory holds the result and as many rows as a patch has.
    """

    def __init__(self, trimap: Bytes, side: int, margin: int) -> None:
        """``trimap`` (H, W); ``side`` and ``margin`` of the patches."""
        self.trimap, self.side, self.margin = trimap, side, margin
        self.size = trimap.shape[1], trimap.shape[0]
        self.alpha = np.empty(trimap.shape, np.float32)
        self._sum, self._weight = np.zeros((2, side, self.size[0]), np.float32)
        self._top = 0

    def add(self, patch: Patch, alpha: Floats | float) -> None:
        """Add one patch: alpha (side, side), or one value; none may lie above the one before."""
        self._flush(patch.top)
        columns, rows = (
            min(patch.side, self.size[0] - patch.left),
            min(patch.side, self.size[1] - patch.top),
        )
        window = blend_window(patch, self.size, self.margin)[:rows, :columns]
        part = np.s_[:rows, patch.left : patch.left + columns]
        if not isinstance(alpha, float | int):
            alpha = alpha[:rows, :columns]
        self._sum[part] += window * alpha
        self._weight[part] += window

    def _flush(self, top: int) -> None:
        """Finish all rows above ``top``."""
        while self._top < top:
            done = min(top - self._top, self.side)
            rows = slice(self._top, min(self._top + done, self.size[1]))
            total, weight = (plane[: rows.stop - rows.start] for plane in (self._sum, self._weight))
            rest = np.maximum(1 - weight, 0, dtype=np.float32)
            rest *= self.trimap[rows] == FOREGROUND
            rest += total
            np.divide(rest, np.maximum(weight, 1), out=self.alpha[rows])
            for plane in (self._sum, self._weight):
                plane[: self.side - done] = plane[done:].copy()
                plane[self.side - done :] = 0
            self._top += done

    def finish(self) -> Floats:
        """The whole alpha (H, W) in [0, 1]."""
        self._flush(self.size[1])
        return np.clip(self.alpha, 0, 1, out=self.alpha)
