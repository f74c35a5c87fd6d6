"""The regional net's host steps, declared for records, checks and ports of the host side."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.frame import classes_from_frame, frame_for, from_frame, to_frame
from edgematte.runtime.host.made import Pool
from edgematte.runtime.host.steps import (
    ALPHA,
    PICTURE,
    SIZE,
    TRIMAP,
    Array,
    Arrays,
    HostStep,
    Steps,
)
from edgematte.runtime.nets.regional.host import RegionsHost
from edgematte.runtime.nets.regional.neighbours import Cells, positions, with_neighbours
from edgematte.runtime.nets.regional.regions import (
    cell_classes,
    crop_regions,
    enlarge_cells,
    paste_regions,
    select_cells,
)

FRAMED = Array(
    "framed",
    "(height, width, 3)",
    "uint8",
    note="reduced where larger than the graphs, reflected to the right and below where smaller",
    fixed=True,
)
CELL_TRIMAP = Array(
    "cell_trimap", "(3, rows, columns)", unit=True, note="background, unknown, foreground"
)
CELL_ALPHA = Array("cell_alpha", "(rows, columns)", unit=True)
COARSE_ALPHA = Array("coarse_alpha", "(height, width)", unit=True)
CELLS = Array("cells", "(n, 2)", "int32", note="row and column of those to refine, ascending")
REGIONS = Array("regions", "(n, 4, 8, 8)", every=(16,), note="RGB and coarse alpha in [0, 1]")
GROUP = Array("group", "(n, k + 1)", "int32", note="a cell's number, those of its k nearest")
POSITIONS = Array(
    "positions", "(n, k + 1, k + 1)", "int32", note="rows of the manifest's bias_table"
)


def refined_cells(pool: Pool) -> Bytes:
    """Made-up refined cells (n, 8, 8), as bytes."""
    ramp = np.arange(64, dtype=np.int64).reshape(8, 8)
    cells = np.arange(len(pool["cells"]), dtype=np.int64)
    return ((ramp[None] * 3 + cells[:, None, None] * 7) % 256).astype(np.uint8)


REFINED = Array("refined", "(n, 8, 8)", unit=True, made=refined_cells)
PASTED = Array("pasted", "(height, width)", every=(4, 4))


def frame(host: RegionsHost, picture: Bytes) -> Arrays:
    """The picture at the graphs' size."""
    where = frame_for((picture.shape[1], picture.shape[0]), host.size)
    return {"framed": to_frame(picture, where)}


def select(host: RegionsHost, cell_trimap: Floats) -> Arrays:
    """The cells to refine."""
    return {"cells": select_cells(cell_trimap, host.max_regions)}


def crop(host: RegionsHost, framed: Bytes, coarse_alpha: Floats, cells: Cells) -> Arrays:
    """The regions around the cells."""
    return {"regions": crop_regions(framed, coarse_alpha, cells)}


def neighbours(host: RegionsHost, cells: Cells) -> Arrays:
    """The nearest cells of every cell, and their entries in the bias table."""
    group = with_neighbours(host, cells)
    return {"group": group, "positions": positions(host, cells, group)}


def paste(host: RegionsHost, cell_alpha: Floats, refined: Floats, cells: Cells) -> Arrays:
    """Alpha of the frame: the coarse cells, with the refined cells pasted over them."""
    whole = np.asarray(enlarge_cells(cell_alpha), np.float32)
    paste_regions(whole, refined, cells)
    return {"pasted": whole}


def finish(
    host: RegionsHost, cell_trimap: Floats, coarse_alpha: Floats, size: NDArray[np.int32]
) -> Arrays:
    """Trimap and alpha of the picture from those of the frame."""
    where = frame_for((int(size[0]), int(size[1])), host.size)
    classes = np.asarray(enlarge_cells(cell_classes(cell_trimap)), np.uint8)
    return {
        "trimap": classes_from_frame(classes, where),
        "alpha": from_frame(coarse_alpha, where),
    }


def _attends(host: RegionsHost) -> bool:
    return bool(host.k)


STEPS: Steps = {
    "regions": (
        HostStep("frame", frame, (PICTURE,), (FRAMED,)),
        HostStep("select", select, (CELL_TRIMAP,), (CELLS,)),
        HostStep("crop", crop, (FRAMED, COARSE_ALPHA, CELLS), (REGIONS,)),
        HostStep(
            "neighbours", neighbours, (CELLS,), (GROUP, POSITIONS), _attends, "with attention"
        ),
        HostStep("paste", paste, (CELL_ALPHA, REFINED, CELLS), (PASTED,)),
        HostStep("finish", finish, (CELL_TRIMAP, COARSE_ALPHA, SIZE), (TRIMAP, ALPHA)),
    )
}
