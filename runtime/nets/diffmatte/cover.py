"""Covering the unknown pixels of a frame with few tiles."""

import math

import numpy as np
from numpy.typing import NDArray

from edgematte.runtime.host.patches import Patch


def cover(unknown: NDArray[np.bool_], side: int, margin: int, lattice: int) -> list[Patch]:
    """Tiles that together hold every unknown pixel in their cores, row by row.

    The core of a tile is the tile without its margins; it has no margin at the frame's own borders.
    Tiles start at multiples of ``lattice``. They are chosen one after the other: each time the tile
    that adds the most unknown pixels, and of several such tiles the uppermost, then the leftmost.

    Args:
        unknown: (H, W), each side a multiple of ``lattice`` and at least ``side``.
        side: side of a tile, a multiple of ``lattice``; at least ``lattice`` more than two margins.
        margin: margin of a tile, in pixels.
        lattice: distance between the places where tiles may start, in pixels.
    """
    cell = math.gcd(lattice, margin)
    height, width = (n // cell for n in unknown.shape)
    left = unknown.reshape(height, cell, width, cell).sum(axis=(1, 3), dtype=np.int64)
    rows, columns = (_cores(n, side // cell, margin // cell, lattice // cell) for n in left.shape)
    corners = []
    while left.any():
        total = np.zeros((height + 1, width + 1), np.int64)
        total[1:, 1:] = left.cumsum(axis=0).cumsum(axis=1)
        below, above = total[rows[:, 1]], total[rows[:, 0]]
        strips = below - above
        gain = strips[:, columns[:, 1]] - strips[:, columns[:, 0]]
        row, column = np.unravel_index(gain.argmax(), gain.shape)
        left[slice(*rows[row]), slice(*columns[column])] = 0
        corners.append((int(row) * lattice, int(column) * lattice))
    return [Patch(x, y, side) for y, x in sorted(corners)]


def _cores(length: int, side: int, margin: int, lattice: int) -> NDArray[np.int64]:
    """First and last (excluded) cell of the core of each possible tile along one axis: (n, 2)."""
    starts = np.arange(0, length - side + 1, lattice)
    first = np.where(starts > 0, starts + margin, 0)
    last = np.where(starts + side < length, starts + side - margin, length)
    return np.stack([first, last], axis=1)
