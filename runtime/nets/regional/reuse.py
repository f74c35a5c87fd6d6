"""Which cells of a frame look as they did when they were last refined."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes
from edgematte.runtime.host.frame import Frame
from edgematte.runtime.nets.regional.host import CELL_PX
from edgematte.runtime.nets.regional.neighbours import Indices
from edgematte.runtime.nets.regional.refiner import Refined

Flags = NDArray[np.bool_]

BLOCK_PX = 4
"""A cell's surroundings are the 16x16 pixels around its middle: 4x4 blocks of this side."""
TOLERANCE = 4.0
"""*Chosen*: mean absolute difference, in levels of 255, from which a block counts as changed. A
camera's noise (2 levels of standard deviation give a difference of 2.3) stays below it; a line one
pixel wide that appears or disappears is noticed if it differs by 16 levels or more."""


class Changes:
    """Compares every frame with what its blocks looked like when they last changed.

    Comparing with the last change, not with the frame before, lets a slow change add up until it is
    noticed.
    """

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        """``tolerance`` 0 notices a single level of a single pixel."""
        self.tolerance = tolerance
        self._seen: Bytes | None = None
        self._frame: Frame | None = None

    def __call__(self, frame: Frame, pixels: Bytes) -> Flags:
        """(rows, columns): cells whose surroundings changed; all where the frame's size did."""
        rows, columns = (side // CELL_PX for side in pixels.shape[:2])
        if self._seen is None or frame != self._frame:
            self._seen, self._frame = pixels.copy(), frame
            return np.ones((rows, columns), bool)
        changed = block_difference(pixels, self._seen) > self.tolerance
        blocks = _blocks(self._seen)
        blocks.swapaxes(1, 2)[changed] = _blocks(pixels).swapaxes(1, 2)[changed]
        return around(changed)


def block_difference(one: Bytes, other: Bytes) -> NDArray[np.float32]:
    """Mean absolute difference of the 4x4 blocks of two pictures (H, W, 3): (H/4, W/4)."""
    height, width = one.shape[:2]
    apart = np.maximum(one, other)
    apart -= np.minimum(one, other)
    rows = apart.reshape(height // BLOCK_PX, BLOCK_PX, 3 * width).sum(axis=1, dtype=np.uint16)
    sums = rows.reshape(height // BLOCK_PX, width // BLOCK_PX, 3 * BLOCK_PX).sum(axis=2)
    return np.asarray(sums, np.float32) / np.float32(3 * BLOCK_PX**2)


def around(changed: Flags) -> Flags:
    """Changed blocks (2 rows, 2 columns) -> cells (rows, columns) with one in or beside them."""
    wide = np.pad(changed, 1)
    rows = wide[0:-2:2] | wide[1:-1:2] | wide[2::2] | wide[3::2]
    cells: Flags = rows[:, 0:-2:2] | rows[:, 1:-1:2] | rows[:, 2::2] | rows[:, 3::2]
    return cells


def places(refined: Refined, changed: Flags) -> Indices:
    """(rows, columns): index in ``refined`` of each cell that did not change, -1 elsewhere."""
    grid = np.full(changed.shape, -1, np.int32)
    grid[refined.cells[:, 0], refined.cells[:, 1]] = np.arange(len(refined.cells))
    grid[changed] = -1
    return grid


def _blocks(pixels: Bytes) -> Bytes:
    height, width = pixels.shape[:2]
    return pixels.reshape(height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX, 3)
