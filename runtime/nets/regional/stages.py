"""Matting a frame by regions, in stages: frame, coarse net, choice, refining, pasting."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.errors import BundleError
from edgematte.runtime.engines.graph import GraphCall
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.frame import Frame, classes_from_frame, frame_for, from_frame, to_frame
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.nets.regional.host import Options, RegionsHost
from edgematte.runtime.nets.regional.neighbours import Cells, Indices
from edgematte.runtime.nets.regional.pace import Pace
from edgematte.runtime.nets.regional.refiner import Refined, Refiner
from edgematte.runtime.nets.regional.regions import (
    cell_classes,
    enlarge_cells,
    most_uncertain,
    paste_regions,
    select_cells,
)

Coarse = dict[str, Floats]

CALLS = 3  # made to measure how long one takes; the first is slow


@dataclass(frozen=True)
class Framed:
    """A picture brought to the size of the graphs."""

    frame: Frame
    pixels: Bytes  # (height, width, 3)


class RegionStages:
    """Runs the coarse net on the frame, then refines its uncertain cells, N at a time."""

    def __init__(self, host: RegionsHost, graphs: Mapping[str, GraphCall]) -> None:
        """``graphs`` holds ``coarse``, ``refine``, and ``encode`` where regions use it."""
        self.host, self.graphs = host, graphs
        self.refiner = Refiner(host, graphs)
        self.limits, self.pace = Options(host.max_regions), Pace()

    def limit(self, options: Options) -> None:
        """Keep to limits from now on; for a limit of time, a few calls are made and timed."""
        most = self.host.max_regions if options.max_regions is None else options.max_regions
        self.limits = Options(most, options.budget_ms)
        if options.budget_ms is not None:
            seconds = []
            for _ in range(CALLS):
                clock = Clock()
                self.refiner.warm_up(clock)
                seconds.append(clock.total)
            self.pace = Pace()
            self.pace.saw_calls(min(seconds), 1)

    def frame(self, picture: Bytes, clock: Clock) -> Framed:
        """The picture at the graphs' size."""
        with clock("host.frame"):
            frame = frame_for((picture.shape[1], picture.shape[0]), self.host.size)
            return Framed(frame, to_frame(picture, frame))

    def image(self, framed: Framed, clock: Clock) -> Floats:
        """The coarse graph's input, (1, 3, height, width)."""
        with clock("host.frame"):
            return to_input(framed.pixels)

    def coarse(self, image: Floats, clock: Clock) -> Coarse:
        """The coarse net's answer."""
        with clock("graph.coarse"):
            return self.graphs["coarse"](image=image)

    def choose(
        self, coarse: Coarse, clock: Clock, held: Indices | None = None
    ) -> tuple[Cells, Indices]:
        """The cells to refine within the limits, ascending.

        Args:
            coarse: the coarse net's answer.
            clock: its total so far is the time that the frame has taken; it records the choice.
            held: (rows, columns), the place of each cell's answer among those of an earlier frame,
                -1 where there is none; cells with an answer do not count towards the limits.

        Returns:
            The cells, and the place of each cell's earlier answer or -1.
        """
        with clock("host.select"):
            trimap = coarse["cell_trimap"][0]
            cells = select_cells(trimap)
            clock.counts["regions found"] = len(cells)
            places = _places(held, cells)
            asked = np.flatnonzero(places < 0)
            most = self._most(clock) if len(asked) else None
            if most is not None and len(asked) > most:
                kept = places >= 0
                kept[asked[most_uncertain(trimap, cells[asked], most)]] = True
                cells = cells[kept]
            chosen = clock.choose("cells", cells)
            if chosen is not cells:
                _check_cells(chosen, trimap.shape[1:])
            return chosen, _places(held, chosen)

    def _most(self, clock: Clock) -> int | None:
        limits = self.limits
        if limits.budget_ms is None:
            return limits.max_regions
        calls = self.pace.calls(limits.budget_ms / 1000 - clock.total)
        if not calls:
            self.pace.doubt()
        count = calls * self.refiner.side
        return count if limits.max_regions is None else min(count, limits.max_regions)

    def refine(
        self,
        framed: Framed,
        coarse: Coarse,
        cells: Cells,
        clock: Clock,
        reused: tuple[Indices, Refined] | None = None,
    ) -> Refined:
        """The chosen cells, refined; see :class:`Refiner` for ``reused``."""
        before = clock.total
        refined = self.refiner(framed.pixels, coarse["alpha"][0, 0], cells, clock, reused)
        count = len(cells) if reused is None else int(np.count_nonzero(reused[0] < 0))
        clock.counts["regions refined"] = count
        self.pace.saw_calls(clock.total - before, -(-count // self.refiner.side))
        return refined

    def finish(
        self, frame: Frame, coarse: Coarse, refined: Refined, clock: Clock
    ) -> tuple[Floats, Bytes]:
        """Alpha and trimap of the picture."""
        before = clock.total
        with clock("host.paste"):
            alpha: Floats = np.asarray(enlarge_cells(coarse["cell_alpha"][0, 0]), np.float32)
            paste_regions(alpha, refined.alpha, refined.cells)
        with clock("host.finish"):
            classes = np.asarray(enlarge_cells(cell_classes(coarse["cell_trimap"][0])), np.uint8)
            answer = from_frame(alpha, frame), classes_from_frame(classes, frame)
        self.pace.saw_after(clock.total - before)
        return answer


def _places(held: Indices | None, cells: Cells) -> Indices:
    if held is None:
        return np.full(len(cells), -1, np.int32)
    return held[cells[:, 0], cells[:, 1]]


def _check_cells(cells: Cells, grid: tuple[int, ...]) -> None:
    """Refuse recorded cells that are not in this frame."""
    if cells.ndim != 2 or cells.shape[1] != 2 or cells.dtype.kind != "i":
        raise BundleError(f"recorded cells should be whole numbers (n, 2), not {cells.shape}")
    if len(cells) and ((cells < 0) | (cells >= np.array(grid))).any():
        raise BundleError(f"recorded cells lie outside of the frame of {grid[0]}x{grid[1]} cells")
