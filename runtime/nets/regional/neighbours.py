"""Nearest neighbours among cells of a grid, exact, by a table of offsets in order of distance.

On a grid many cells are equally near. Of these the one in the upper row comes first, and in a row
the left one: training, export and every port of the host use this order.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgematte.runtime.nets.regional.host import RegionsHost

Cells = NDArray[np.int32]
Indices = NDArray[np.int32]

ROUNDS = (8, 24, 80, 200, 480, 1088)  # offsets tried before all pairs are compared
REACH = 20  # cells; the table holds every offset up to this distance
PAIRS = 1 << 22  # compared at a time


def nearest_cells(cells: Cells, k: int, of: Indices | None = None) -> Indices:
    """For every cell, the k nearest other cells: (n, k) indices, nearer first.

    With at most k cells in all, a cell's list is all others and then the cell itself, repeated.

    Args:
        cells: (n, 2), row and column, ascending, no two alike.
        k: how many, at least 1.
        of: indices of the cells whose neighbours are wanted, in any order; by default all.
    """
    count = len(cells)
    nearest = np.empty((count, k), np.int32)
    missing = np.arange(count) if of is None else of.astype(np.int64)
    if count > k:
        offsets = offset_table(REACH)
        grid, corner, width = _index_grid(cells)
        middle = (cells[:, 0] - corner[0]) * width + (cells[:, 1] - corner[1])
        steps = offsets[:, 0] * width + offsets[:, 1]
        for tried in ROUNDS:
            if not len(missing) or tried >= count:
                break
            missing = _look(grid, middle, steps[:tried], missing, nearest)
    for part in np.array_split(missing, 1 + len(missing) * count // PAIRS) if count else ():
        nearest[part] = _compare(cells, part, k)
    return nearest if of is None else nearest[of]


@lru_cache(maxsize=4)
def offset_table(reach: int) -> NDArray[np.int64]:
    """Offsets (row, column) at most ``reach`` away, without (0, 0), in the order of neighbours."""
    line = np.arange(-reach, reach + 1)
    row, column = (a.ravel() for a in np.meshgrid(line, line, indexing="ij"))
    apart = row**2 + column**2
    order = np.lexsort((column, row, apart))
    order = order[(apart[order] <= reach**2)][1:]
    return np.stack([row[order], column[order]], axis=1)


def _index_grid(cells: Cells) -> tuple[Indices, tuple[int, int], int]:
    """Every cell's index on a flat grid, -1 elsewhere; the grid's first cell and its width."""
    top, left = (int(n) - REACH for n in cells.min(axis=0))
    bottom, right = (int(n) + REACH for n in cells.max(axis=0))
    width = right - left + 1
    grid = np.full((bottom - top + 1) * width, -1, np.int32)
    grid[(cells[:, 0] - top) * width + (cells[:, 1] - left)] = np.arange(len(cells))
    return grid, (top, left), width


def _look(
    grid: Indices,
    middle: NDArray[np.int64],
    steps: NDArray[np.int64],
    missing: NDArray[np.int64],
    nearest: Indices,
) -> NDArray[np.int64]:
    """Fill ``nearest`` for those cells of ``missing`` that have k cells within these steps.

    Returns the other cells.
    """
    k = nearest.shape[1]
    left = []
    for part in np.array_split(missing, 1 + len(missing) * len(steps) // PAIRS):
        seen = grid[middle[part, None] + steps]
        hits = seen >= 0
        counts = np.add.reduce(hits.view(np.int8), axis=1, dtype=np.int16)
        enough = counts >= k
        hits, counts = hits[enough], counts[enough]
        first = np.cumsum(counts, dtype=np.int64) - counts
        places = np.flatnonzero(hits)[first[:, None] + np.arange(k)]
        nearest[part[enough]] = seen[enough].ravel()[places]
        left.append(part[~enough])
    return np.concatenate(left)


def _compare(cells: Cells, part: NDArray[np.int64], k: int) -> Indices:
    """Neighbours of some cells by comparing them with all."""
    count = len(cells)
    kept = min(k, count)
    wide = cells.astype(np.int64)
    apart = ((wide[part, None] - wide[None]) ** 2).sum(axis=-1)
    apart[np.arange(len(part)), part] = 1 << 40  # the cell itself comes last
    key = apart * count + np.arange(count)  # no two keys are equal, so that there are no ties
    if kept < count:
        nearest = np.argpartition(key, kept - 1, axis=1)[:, :kept]
        order = np.argsort(np.take_along_axis(key, nearest, axis=1), axis=1)
        nearest = np.take_along_axis(nearest, order, axis=1)
    else:
        nearest = np.argsort(key, axis=1)
    return nearest[:, np.arange(k) % kept].astype(np.int32)


def relative_positions(cells: Cells, group: Indices, search_range: int, aliasing: bool) -> Indices:
    """Entries of the bias table for every pair of a group, query first: (n, m, m).

    Args:
        cells: (all, 2), row and column.
        group: (n, m) indices of cells: a region and its neighbours.
        search_range: s; offsets of less than s along both axes have an entry each, row by row;
            all other offsets share the last entry, (2s - 1)^2.
        aliasing: test only whether the flat index is in the table, as the authors' released code
            does, so that some offsets out of range use the entry of one in range; False is the
            paper's rule.
    """
    side = 2 * search_range - 1
    last = side * side
    row, column = cells[group, 0], cells[group, 1]
    if not aliasing:
        down = row[:, None] - row[:, :, None] + (search_range - 1)
        across = column[:, None] - column[:, :, None] + (search_range - 1)
        inside = (down >= 0) & (down < side) & (across >= 0) & (across < side)
        return np.where(inside, down * side + across, last).astype(np.int32)
    place = row * side + column  # the flat index is linear
    flat: Indices = place[:, None] - place[:, :, None]
    flat += (search_range - 1) * (side + 1)
    beyond = flat.view(np.uint32)  # unsigned, so that negative numbers become large
    np.minimum(beyond, np.uint32(last), out=beyond)
    return flat


def with_neighbours(host: RegionsHost, cells: Cells, of: Indices | None = None) -> Indices:
    """(n, k + 1): the index of each cell and of its k nearest, for all cells or those in ``of``."""
    assert host.k is not None
    itself = np.arange(len(cells), dtype=np.int32) if of is None else of
    return np.concatenate([itself[:, None], nearest_cells(cells, host.k, of)], axis=1)


def positions(host: RegionsHost, cells: Cells, group: Indices) -> Indices:
    """Entries of the bias table for a group of cells: (n, k + 1, k + 1), query first."""
    assert host.search_range is not None and host.aliasing is not None
    return relative_positions(cells, group, host.search_range, host.aliasing)
