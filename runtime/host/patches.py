"""Cutting a picture into overlapping patches and stitching alpha patches.

Equations are those of High-Resolution Deep Image Matting (AAAI 2021), appendix A.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.runtime.host.trimap import FOREGROUND, UNKNOWN

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Patch:
    """A part of the picture, most often square; it may reach beyond the right and bottom border."""

    left: int
    top: int
    side: int  # its width
    tall: int = 0  # its height; 0 for a square

    @property
    def height(self) -> int:
        """In pixels."""
        return self.tall or self.side

    @staticmethod
    def of(row: NDArray[np.int32]) -> "Patch":
        """From a row of :func:`boxes`, with or without a height."""
        return Patch(*(int(n) for n in row))


def boxes(patches: Sequence[Patch], *, tall: bool = False) -> NDArray[np.int32]:
    """Left, top and side of every patch, (n, 3); with ``tall`` also its height, (n, 4)."""
    rows = [(p.left, p.top, p.side, p.height)[: 4 if tall else 3] for p in patches]
    return np.array(rows, np.int32).reshape(-1, 4 if tall else 3)


def window(array: NDArray[T], patch: Patch) -> NDArray[T]:
    """The part of (H, W, ...) that a patch shows, without what lies beyond the border."""
    return array[patch.top : patch.top + patch.height, patch.left : patch.left + patch.side]


def unknown_in(trimap: NDArray[np.uint8], patches: Sequence[Patch]) -> NDArray[np.bool_]:
    """Which patches hold unknown pixels of a trimap (H, W): (n,)."""
    return np.array([bool((window(trimap, p) == UNKNOWN).any()) for p in patches], np.bool_)


def patch_grid(size: tuple[int, int], side: int, overlap: int) -> list[list[Patch]]:
    """Rows of patches that cover a picture of ``size`` (W, H), neighbours sharing ``overlap``."""
    lefts, tops = (_starts(length, side, overlap) for length in size)
    return [[Patch(left, top, side) for left in lefts] for top in tops]


def tile_grid(size: tuple[int, int], tile: tuple[int, int], overlap: int) -> list[list[Patch]]:
    """Rows of tiles inside a picture of ``size`` (W, H), neighbours sharing ``overlap`` or more.

    They are spread evenly, so that none reaches beyond the picture unless the picture is smaller.
    """
    lefts, tops = (_inside(length, side, overlap) for length, side in zip(size, tile, strict=True))
    return [[Patch(left, top, *tile) for left in lefts] for top in tops]


def _inside(length: int, side: int, overlap: int) -> list[int]:
    count = len(_starts(length, side, overlap))
    return [i * (length - side) // (count - 1) for i in range(count)] if count > 1 else [0]


def _starts(length: int, side: int, overlap: int) -> list[int]:
    stride = side - overlap
    count = max(1, -(-(length - overlap) // stride))
    return [i * stride for i in range(count)]


def crop(array: NDArray[np.generic], patch: Patch) -> NDArray[np.generic]:
    """(H, W, ...) -> (side, side, ...); beyond the border the whole picture is reflected."""
    height, width = array.shape[:2]
    bottom, right = patch.top + patch.height, patch.left + patch.side
    if bottom <= height and right <= width:
        return array[patch.top : bottom, patch.left : right]
    rows, columns = mirrored(patch.top, bottom, height), mirrored(patch.left, right, width)
    top, left = rows.min(), columns.min()
    part: NDArray[np.generic] = array[top : rows.max() + 1, left : columns.max() + 1]
    # One axis after the other is five times as fast as both in one index.
    if bottom > height:
        part = part.take(rows - top, 0)
    return part.take(columns - left, 1) if right > width else part


def mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Index of the pixel, in a line of ``length``, that stands at each place of start..stop - 1.

    Places from 0 to ``length`` - 1 are the pixels themselves. Beyond the last pixel the line is
    reflected without repeating that pixel; a line of one pixel repeats it everywhere.
    """
    period = max(1, 2 * (length - 1))
    places = np.arange(start, stop) % period
    return np.minimum(places, period - places) if length > 1 else np.zeros_like(places)


def known_alpha(trimap: NDArray[np.uint8], side: int) -> Floats | float:
    """Alpha of a patch without unknown pixels: one value, or (side, side) where it has both."""
    foreground = trimap == FOREGROUND
    if foreground.all() or not foreground.any():
        return float(foreground.flat[0])
    alpha = np.zeros((side, side), np.float32)
    alpha[: trimap.shape[0], : trimap.shape[1]] = foreground
    return alpha


def blend_window(patch: Patch, size: tuple[int, int], overlap: int) -> Floats:
    """Weights (side, side) of eq. 5: distance to the patch's border over the margin, at most 1.

    A pixel's distance is counted from its centre, (i + 0.5) / overlap. Weights do not taper towards
    borders of the picture itself: there is no neighbour to blend with.
    """
    weights = []
    for start, side, length in (
        (patch.top, patch.height, size[1]),
        (patch.left, patch.side, size[0]),
    ):
        ramp = np.minimum((np.arange(side, dtype=np.float32) + 0.5) / max(overlap, 1), 1)
        ones = np.ones_like(ramp)
        before = ramp if start > 0 else ones
        after = ramp[::-1] if start + side < length else ones
        weights.append(np.minimum(before, after))
    return np.minimum(weights[0][:, None], weights[1][None, :])


class Stitcher:
    """Blends alpha patches by eq. 6, one row of patches at a time, and keeps only that row."""

    def __init__(self, size: tuple[int, int], side: int, overlap: int, tall: int = 0) -> None:
        """``size`` is (W, H) of the picture; ``side``, ``tall``, ``overlap`` as in the grid."""
        self.size, self.rows, self.overlap = size, tall or side, overlap
        self.alpha = np.empty((size[1], size[0]), np.float32)
        self._sum = np.zeros((self.rows, size[0]), np.float32)
        self._weight = np.zeros((self.rows, size[0]), np.float32)
        self._top = 0

    def add(self, patch: Patch, alpha: Floats | float) -> None:
        """Add one patch: alpha (side, side), or one value for the whole patch."""
        if patch.top != self._top:
            self._flush(patch.top)
        right = min(patch.left + patch.side, self.size[0])
        window = blend_window(patch, self.size, self.overlap)[:, : right - patch.left]
        if not isinstance(alpha, float | int):
            alpha = alpha[:, : right - patch.left]
        self._sum[:, patch.left : right] += window * alpha
        self._weight[:, patch.left : right] += window

    def _flush(self, top: int) -> None:
        done = min(top, self.size[1]) - self._top
        np.divide(self._sum[:done], self._weight[:done], out=self.alpha[self._top :][:done])
        for rows in (self._sum, self._weight):
            rows[: self.rows - done] = rows[done:].copy()
            rows[self.rows - done :] = 0
        self._top = top

    def finish(self) -> Floats:
        """The whole alpha (H, W) in [0, 1]; all patches must have been added, row by row."""
        self._flush(self.size[1])
        return np.clip(self.alpha, 0, 1, out=self.alpha)


def walk(grid: list[list[Patch]]) -> Iterator[Patch]:
    """The patches in the order the stitcher wants."""
    for row in grid:
        yield from row
