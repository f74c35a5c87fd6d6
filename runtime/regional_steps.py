"""The regional net's host steps by name, and what their parameters must be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import BundleError
from edgematte.manifest import Host
from edgematte.runtime.frame import classes_from_frame, frame_for, from_frame, to_frame
from edgematte.runtime.neighbours import Cells, Indices, nearest_cells, relative_positions
from edgematte.runtime.pipeline import Step
from edgematte.runtime.regions import (
    CELL_PX,
    cell_classes,
    crop_regions,
    enlarge_cells,
    paste_regions,
    select_cells,
)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def with_neighbours(host: Host, cells: Cells, of: Indices | None = None) -> Indices:
    """A cell's index, then those of its k nearest: (n, k + 1); of all cells, or of some."""
    assert host.k is not None
    itself = np.arange(len(cells), dtype=np.int32) if of is None else of
    return np.concatenate([itself[:, None], nearest_cells(cells, host.k, of)], axis=1)


def positions(host: Host, cells: Cells, group: Indices) -> Indices:
    """Entries of the bias table for a group of cells: (n, k + 1, k + 1), query first."""
    assert host.search_range is not None and host.aliasing is not None
    return relative_positions(cells, group, host.search_range, host.aliasing)


def host_steps(host: Host) -> dict[str, Step]:
    """Every host step as a function of named arrays, for golden records and ports of the host."""
    check_host(host)

    def frame(picture: Bytes) -> dict[str, NDArray[Any]]:
        where = frame_for((picture.shape[1], picture.shape[0]), host.size)
        return {"framed": to_frame(picture, where)}

    def select(cell_trimap: Floats) -> dict[str, NDArray[Any]]:
        return {"cells": select_cells(cell_trimap, host.max_regions)}

    def crop(framed: Bytes, coarse_alpha: Floats, cells: Cells) -> dict[str, NDArray[Any]]:
        return {"regions": crop_regions(framed, coarse_alpha, cells)}

    def neighbours(cells: Cells) -> dict[str, NDArray[Any]]:
        group = with_neighbours(host, cells)
        return {"group": group, "positions": positions(host, cells, group)}

    def paste(cell_alpha: Floats, refined: Floats, cells: Cells) -> dict[str, NDArray[Any]]:
        whole = np.asarray(enlarge_cells(cell_alpha), np.float32)
        paste_regions(whole, refined, cells)
        return {"pasted": whole}

    def finish(
        cell_trimap: Floats, coarse_alpha: Floats, size: NDArray[np.int32]
    ) -> dict[str, NDArray[Any]]:
        where = frame_for((int(size[0]), int(size[1])), host.size)
        classes = np.asarray(enlarge_cells(cell_classes(cell_trimap)), np.uint8)
        return {
            "trimap": classes_from_frame(classes, where),
            "alpha": from_frame(coarse_alpha, where),
        }

    steps: dict[str, Step] = {"frame": frame, "select": select, "crop": crop}
    if host.k:
        steps["neighbours"] = neighbours
    return steps | {"paste": paste, "finish": finish}


def check_host(host: Host) -> None:
    """Refuse parameters that no export of this net writes.

    Raises:
        BundleError: naming the parameter.
    """
    if host.cut != "regions":
        raise BundleError(f"unknown cut {host.cut!r}; there are: regions")
    if min(host.size) < 1 or any(side % CELL_PX for side in host.size):
        raise BundleError(f"size {list(host.size)}: both sides should be multiples of {CELL_PX}")
    if regions_of(host) < 1:
        raise BundleError(f"regions {host.regions}: at least 1")
    if host.max_regions is not None and host.max_regions < 0:
        raise BundleError(f"max_regions {host.max_regions}: at least 0")
    if not host.k:
        return
    if host.k < 1 or host.search_range is None or host.search_range < 1 or host.aliasing is None:
        raise BundleError("attention needs k and search_range of at least 1, and aliasing")
    rows = (2 * host.search_range - 1) ** 2 + 1
    if host.bias_table is None or len(host.bias_table) != rows:
        raise BundleError(
            f"bias_table should have {rows} rows for search_range {host.search_range}"
        )
    if len({len(row) for row in host.bias_table}) != 1:
        raise BundleError("the rows of bias_table should be of one length")


def regions_of(host: Host) -> int:
    """How many regions one call of a graph takes."""
    if host.regions is None:
        raise BundleError("the host needs regions, how many cells a graph call refines")
    return host.regions
