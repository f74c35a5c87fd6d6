"""Refining regions through the ENCODE and REFINE graphs, N at a time."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.engines.graph import GraphCall, answers
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.nets.regional.host import CELL_PX, RegionsHost
from edgematte.runtime.nets.regional.neighbours import Cells, Indices, positions, with_neighbours
from edgematte.runtime.nets.regional.regions import crop_regions

SKIPS = ("skip8", "skip4", "skip2")


@dataclass(frozen=True)
class Refined:
    """Refined cells, with the alpha and tokens that the graphs gave."""

    cells: Cells  # (n, 2), row and column, ascending
    alpha: Floats  # (n, 8, 8)
    tokens: Floats | None  # (n, T); None without attention


class Refiner:
    """The refining half of the net.

    Regions whose answer of an earlier frame still holds are not computed again; they take part as
    neighbours, by their tokens.
    """

    def __init__(self, host: RegionsHost, graphs: Mapping[str, GraphCall]) -> None:
        """``graphs`` holds ``refine``, and ``encode`` where regions attend to each other."""
        self.host, self.graphs = host, graphs
        self.side = host.regions
        self._table = None if host.bias_table is None else np.array(host.bias_table, np.float32)

    def __call__(
        self,
        framed: Bytes,
        coarse_alpha: Floats,
        cells: Cells,
        clock: Clock,
        reused: tuple[Indices, Refined] | None = None,
    ) -> Refined:
        """Alpha of every cell.

        Args:
            framed: uint8 (H, W, 3), sides multiples of 8.
            coarse_alpha: (H, W), the coarse alpha enlarged bilinearly.
            cells: (n, 2), ascending.
            clock: times the stages.
            reused: the place of each cell among the cells of an earlier frame, -1 where it was not
                refined there; and those cells.
        """
        alpha = np.empty((len(cells), CELL_PX, CELL_PX), np.float32)
        fresh = np.arange(len(cells), dtype=np.int32)
        tokens = None
        if reused is not None:
            places, earlier = reused
            kept = places >= 0
            fresh = fresh[~kept]
            alpha[kept] = earlier.alpha[places[kept]]
            if earlier.tokens is not None:
                tokens = np.empty((len(cells), earlier.tokens.shape[1]), np.float32)
                tokens[kept] = earlier.tokens[places[kept]]
        if not len(fresh):
            return Refined(cells, alpha, tokens)
        chunks = [fresh[part] for part in self.chunks(len(fresh))]
        crops = []
        for chunk in chunks:
            with clock("host.crop"):
                crops.append(filled(crop_regions(framed, coarse_alpha, cells[chunk]), self.side))
        if self._table is None:
            self._refine(chunks, ({"region": region} for region in crops), alpha, clock)
            return Refined(cells, alpha, None)
        tokens = self._attended(cells, tokens, chunks, crops, alpha, clock)
        return Refined(cells, alpha, tokens)

    def _attended(
        self,
        cells: Cells,
        tokens: Floats | None,
        chunks: list[Indices],
        crops: list[Floats],
        alpha: Floats,
        clock: Clock,
    ) -> Floats:
        """Fill in ``alpha`` for the cells of the chunks; return the tokens of all cells."""
        with clock("host.neighbours"):
            group = with_neighbours(self.host, cells, np.concatenate(chunks))
        # Encode all regions first: refining one needs its neighbours.
        regions = ({"region": region} for region in crops)
        timed = partial(clock, "graph.encode")
        with closing(answers(self.graphs["encode"], regions, len(crops), timed)) as answered:
            encoded = list(answered)
        with clock("host.gather"):
            if tokens is None:
                tokens = np.empty((len(cells), encoded[0]["token"].shape[1]), np.float32)
            for chunk, part in zip(chunks, encoded, strict=True):
                tokens[chunk] = part["token"][: len(chunk)]
        inputs = self._inputs(cells, tokens, chunks, encoded, group, clock)
        self._refine(chunks, inputs, alpha, clock)
        return tokens

    def _inputs(
        self,
        cells: Cells,
        tokens: Floats,
        chunks: list[Indices],
        encoded: list[dict[str, Floats]],
        group: Indices,
        clock: Clock,
    ) -> Iterator[dict[str, Floats]]:
        """What REFINE takes for each chunk, with the tokens of its cells' neighbours."""
        start = 0
        for chunk, part in zip(chunks, encoded, strict=True):
            with clock("host.gather"):
                near = group[start : start + len(chunk)]
                inputs = {name: part[name] for name in SKIPS}
                inputs["tokens"] = filled(tokens[near], self.side)
                inputs["bias"] = filled(self._biases(cells, near), self.side)
                start += len(chunk)
            yield inputs

    def _refine(
        self,
        chunks: list[Indices],
        inputs: Iterable[Mapping[str, Floats]],
        alpha: Floats,
        clock: Clock,
    ) -> None:
        """Fill in ``alpha`` for the cells of the chunks, which REFINE takes side by side."""
        timed = partial(clock, "graph.refine")
        with closing(answers(self.graphs["refine"], inputs, len(chunks), timed)) as answered:
            for chunk, answer in zip(chunks, answered, strict=True):
                alpha[chunk] = answer["cell"][: len(chunk), 0]

    def _biases(self, cells: Cells, group: Indices) -> Floats:
        assert self._table is not None
        return self._table.take(positions(self.host, cells, group), axis=0)

    def chunks(self, count: int) -> Iterator[slice]:
        """The slice of ``count`` regions that each call takes."""
        for start in range(0, count, self.side):
            yield slice(start, min(start + self.side, count))

    def warm_up(self, clock: Clock) -> None:
        """Call every graph once, on zeros."""
        framed = np.zeros((CELL_PX, CELL_PX, 3), np.uint8)
        self(framed, np.zeros(framed.shape[:2], np.float32), np.zeros((1, 2), np.int32), clock)


def filled(array: Floats, count: int) -> Floats:
    """The array with zeros appended, so that a short last chunk has ``count`` entries too."""
    if len(array) == count:
        return array
    out = np.zeros((count, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out
