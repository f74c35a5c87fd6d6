"""Host side of the regional net: find uncertain cells, their neighbours, refine, paste."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import BundleError, OptionError
from edgematte.manifest import Host
from edgematte.runtime.clock import Clock
from edgematte.runtime.frame import classes_from_frame, frame_for, from_frame, to_frame
from edgematte.runtime.graph import GraphCall
from edgematte.runtime.neighbours import Cells, Indices, nearest_cells, relative_positions
from edgematte.runtime.pipeline import Pipeline, Step, to_input
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

GRAPHS = ("coarse", "encode", "refine")
SKIPS = ("skip8", "skip4", "skip2")


def pipeline(host: Host, graphs: Mapping[str, GraphCall]) -> Pipeline:
    """The pipeline over the graphs of a bundle.

    Raises:
        BundleError: graphs or parameters that no export of this net writes.
    """
    _check(host)
    needed = GRAPHS if host.k else ("coarse", "refine")
    if missing := [name for name in needed if name not in graphs]:
        raise BundleError(f"the regions cut needs a graph {missing[0]!r}; the bundle has none")
    return Regions(host, graphs)


class Regions:
    """Coarse net on the frame, then refinement of its uncertain cells, N at a time."""

    def __init__(self, host: Host, graphs: Mapping[str, GraphCall]) -> None:
        """``graphs`` holds ``coarse``, ``refine``, and ``encode`` where regions see each other."""
        self.host, self.graphs = host, graphs
        self._table = None if host.bias_table is None else np.array(host.bias_table, np.float32)

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`. A given trimap is refused: the net was made to need none."""
        if trimap is not None:
            raise OptionError("the regional net finds its own trimap and takes none")
        host = self.host
        with clock("host.frame"):
            frame = frame_for((picture.shape[1], picture.shape[0]), host.size)
            framed = to_frame(picture, frame)
            image = to_input(framed)
        with clock("graph.coarse"):
            found = self.graphs["coarse"](image=image)
        with clock("host.select"):
            cell_trimap = found["cell_trimap"][0]
            cells = select_cells(cell_trimap, host.max_regions)
        with clock("host.paste"):
            alpha: Floats = np.asarray(enlarge_cells(found["cell_alpha"][0, 0]), np.float32)
        if len(cells):
            coarse_alpha = found["alpha"][0, 0]
            refined = self._refine(framed, coarse_alpha, cells, clock)
            with clock("host.paste"):
                paste_regions(alpha, refined, cells)
        with clock("host.finish"):
            classes = np.asarray(enlarge_cells(cell_classes(cell_trimap)), np.uint8)
            return from_frame(alpha, frame), classes_from_frame(classes, frame)

    def _refine(self, framed: Bytes, alpha: Floats, cells: Cells, clock: Clock) -> Floats:
        """Refined alpha (n, 8, 8) of the cells."""
        side = _regions(self.host)
        chunks = list(_chunks(len(cells), side))
        refined = np.empty((len(cells), CELL_PX, CELL_PX), np.float32)
        crops = []
        for chunk in chunks:
            with clock("host.crop"):
                crops.append(filled(crop_regions(framed, alpha, cells[chunk]), side))
        if self._table is None:
            for chunk, region in zip(chunks, crops, strict=True):
                with clock("graph.refine"):
                    answer = self.graphs["refine"](region=region)["cell"]
                refined[chunk] = answer[: chunk.stop - chunk.start, 0]
            return refined
        with clock("host.neighbours"):
            group = with_neighbours(self.host, cells)
        encoded = []
        for region in crops:
            with clock("graph.encode"):
                encoded.append(self.graphs["encode"](region=region))
        with clock("host.gather"):
            tokens = np.concatenate([e["token"] for e in encoded])[: len(cells)]
        for chunk, part in zip(chunks, encoded, strict=True):
            with clock("host.gather"):
                inputs = {name: part[name] for name in SKIPS}
                inputs["tokens"] = filled(tokens[group[chunk]], side)
                inputs["bias"] = filled(self._biases(cells, group[chunk]), side)
            with clock("graph.refine"):
                answer = self.graphs["refine"](**inputs)["cell"]
            refined[chunk] = answer[: chunk.stop - chunk.start, 0]
        return refined

    def _biases(self, cells: Cells, group: Indices) -> Floats:
        assert self._table is not None
        return self._table.take(positions(self.host, cells, group), axis=0)


def with_neighbours(host: Host, cells: Cells) -> Indices:
    """Every cell's index, then those of its k nearest: (n, k + 1)."""
    assert host.k is not None
    itself = np.arange(len(cells), dtype=np.int32)[:, None]
    return np.concatenate([itself, nearest_cells(cells, host.k)], axis=1)


def positions(host: Host, cells: Cells, group: Indices) -> Indices:
    """Entries of the bias table for a group of cells: (n, k + 1, k + 1), query first."""
    assert host.search_range is not None and host.aliasing is not None
    return relative_positions(cells, group, host.search_range, host.aliasing)


def filled(array: Floats, count: int) -> Floats:
    """The last chunk as long as the others: zeros after its ``len(array)`` entries."""
    if len(array) == count:
        return array
    out = np.zeros((count, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def _chunks(count: int, side: int) -> Iterator[slice]:
    for start in range(0, count, side):
        yield slice(start, min(start + side, count))


def host_steps(host: Host) -> dict[str, Step]:
    """Every host step as a function of named arrays, for golden records and ports of the host."""
    _check(host)

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


def _check(host: Host) -> None:
    if host.cut != "regions":
        raise BundleError(f"unknown cut {host.cut!r}; there are: regions")
    if min(host.size) < 1 or any(side % CELL_PX for side in host.size):
        raise BundleError(f"size {list(host.size)}: both sides should be multiples of {CELL_PX}")
    if _regions(host) < 1:
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


def _regions(host: Host) -> int:
    if host.regions is None:
        raise BundleError("the host needs regions, how many cells a graph call refines")
    return host.regions
