"""Regions: the uncertain 8x8 cells of a frame, cut out of it and pasted back.

Cells are named by row and column on the grid of cells and kept in ascending order (row, column).
"""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.nets.regional.host import CELL_PX

Cells = NDArray[np.int32]

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2  # class order of the cell trimap


def select_cells(trimap: Floats, max_regions: int | None = None) -> Cells:
    """Cells whose likeliest class is unknown: (n, 2), row and column, ascending.

    Args:
        trimap: P(background), P(unknown), P(foreground), (3, rows, columns). Of equally likely
            classes the first counts.
        max_regions: keep at most so many cells, those of the largest entropy; of equally uncertain
            cells the first.
    """
    background, unknown, foreground = trimap
    cells = np.argwhere((unknown > background) & (unknown >= foreground)).astype(np.int32)
    if max_regions is not None and len(cells) > max_regions:
        cells = cells[most_uncertain(trimap, cells, max_regions)]
    return cells


def most_uncertain(trimap: Floats, cells: Cells, count: int) -> NDArray[np.int64]:
    """Ascending indices of the ``count`` cells of the largest entropy; the first of equal ones."""
    entropy = trimap_entropy(trimap[:, cells[:, 0], cells[:, 1]])
    return np.sort(np.argsort(-entropy, kind="stable")[:count])


def trimap_entropy(trimap: Floats) -> NDArray[np.float64]:
    """Uncertainty in nats of probabilities (3, ...); 0 where one class is certain."""
    p = trimap.astype(np.float64)
    logarithm = np.log(np.where(p > 0, p, 1))
    entropy: NDArray[np.float64] = -(p * logarithm).sum(axis=0)
    return entropy


def cell_classes(trimap: Floats) -> Bytes:
    """Cell probabilities (3, rows, columns) -> trimap values (rows, columns): 0, 128 or 255."""
    values = np.array([0, 128, 255], np.uint8)
    classes: Bytes = values[trimap.argmax(axis=0)]
    return classes


def crop_regions(picture: Bytes, alpha: Floats, cells: Cells) -> Floats:
    """RGB and coarse alpha of some cells: (n, 4, 8, 8) in [0, 1].

    Args:
        picture: uint8 (H, W, 3), sides multiples of 8.
        alpha: float32 (H, W), the coarse alpha at full resolution.
        cells: (n, 2), row and column.
    """
    rows, columns = cells[:, 0], cells[:, 1]
    regions = np.empty((len(cells), 4, CELL_PX, CELL_PX), np.float32)
    colours = _cells(picture)[rows, :, columns].transpose(0, 3, 1, 2)
    np.multiply(colours, np.float32(1 / 255), out=regions[:, :3])
    regions[:, 3] = _cells(alpha)[rows, :, columns]
    return regions


def enlarge_cells(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Cell values (rows, columns) -> (8 rows, 8 columns), each repeated over its cell."""
    rows, columns = values.shape
    out = np.empty((rows, CELL_PX, columns * CELL_PX), values.dtype)
    out[...] = np.repeat(values, CELL_PX, axis=1)[:, None]
    return out.reshape(rows * CELL_PX, columns * CELL_PX)


def paste_regions(alpha: Floats, regions: Floats, cells: Cells) -> None:
    """Write refined regions (n, 8, 8) over the named cells of ``alpha`` (H, W), in place."""
    assert alpha.flags.c_contiguous  # else the view below would be a copy
    _cells(alpha)[cells[:, 0], :, cells[:, 1]] = regions


def _cells(plane: NDArray[np.generic]) -> NDArray[np.generic]:
    """(H, W, ...) -> (rows, 8, columns, 8, ...)."""
    height, width = plane.shape[:2]
    return plane.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX, *plane.shape[2:])
