"""Quantizing as much as the accuracy budget allows: rungs from all quantized to more in float.

The rungs, in their order, are: w8a8 everywhere; w8a8 with smoothed norms, where a graph has norms,
and the later rungs build on the better of these two; w8a8 with those nodes in float that are known
to lose in coarse numbers, where there are any, and the later rungs leave them in float, too; w8a8
with the most sensitive groups of nodes in float, fewest first, ranked by the error when each group
alone is quantized; w8a16, where the target has it; whole graphs in float. The first rung inside the
budget is taken. The report lists every rung that was tried.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from edgematte.calibration.measure import Measured
from edgematte.calibration.scheme import NAMES, Scheme
from edgematte.manifest import Graph, Rung
from edgematte.progress import Progress

Trial = dict[str, Scheme | None]
"""A scheme for each graph by name; None leaves the graph in float."""


class Quantizable(Protocol):
    """A float graph of a target, ready to be quantized in one way or another."""

    nodes: Sequence[str]  # names of those that can be quantized, in the order of the graph

    def quantize(self, scheme: Scheme | None) -> Any:
        """The target's model, quantized; None: in float. This object stays as it is."""


@dataclass(frozen=True)
class Tools:
    """What the ladder needs of the target."""

    save: Callable[[Any, Graph, Path], Graph]  # model, declaration, folder -> declaration
    measure: Callable[[Mapping[str, tuple[Graph, Path]], bool], Measured]  # files, on few pictures
    wide: bool  # whether the target has 16-bit activations
    groups: int  # into how many groups nodes are divided to measure their sensitivity
    smooth: bool = False  # whether a graph has norms to smooth
    losing: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By graph: nodes that are known to lose in coarse numbers; see :class:`FloatGraph`."""


class Ladder:
    """The rungs of one export, tried one after the other in a scratch folder."""

    def __init__(
        self, graphs: Sequence[Graph], parts: Mapping[str, Quantizable], tools: Tools, start: Scheme
    ) -> None:
        self.graphs, self.parts, self.tools, self.start = graphs, parts, tools, start
        self.least = math.inf  # the error with ``start`` for all graphs

    def climb(self, budget: float, progress: Progress) -> tuple[Trial, tuple[Rung, ...]]:
        """Try rungs until one is inside the budget.

        Args:
            budget: the largest mean absolute alpha error over the unknown band, against the
                reference.
            progress: called with a line for each rung.

        Returns:
            The scheme of each graph, and the rungs tried; the one taken is `chosen`. If none is
            inside the budget, the most accurate is taken, and its rung says that it is outside.
        """
        tried: list[tuple[Trial, Rung]] = []
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name, trial in self._rungs(folder, progress):
                measured = self._measure(trial, folder, few=False)
                self._better(trial, measured.mad)
                rung = Rung(
                    name=name,
                    mad=measured.mad,
                    grad=measured.grad,
                    conn=measured.conn,
                    bytes=measured.size,
                    ms=measured.ms,
                    inside=measured.mad <= budget,
                )
                progress(f"{name}: mean alpha error {measured.mad:.4f} in the unknown band")
                tried.append((trial, rung))
                if rung.inside:
                    break
        taken = min(range(len(tried)), key=lambda i: (not tried[i][1].inside, tried[i][1].mad))
        rungs = tuple(replace(rung, chosen=i == taken) for i, (_, rung) in enumerate(tried))
        return tried[taken][0], rungs

    def _better(self, trial: Trial, mad: float) -> None:
        """Remember the more accurate of the plain and the smoothed scheme, to build on it."""
        schemes = set(trial.values())
        if len(schemes) != 1 or (one := schemes.pop()) is None or one.skip:
            return
        if replace(one, smooth=self.start.smooth) == self.start and mad < self.least:
            self.least, self.start = mad, one

    def _rungs(self, folder: Path, progress: Progress) -> Iterator[tuple[str, Trial]]:
        name = NAMES[self.start.activations]
        yield name, {graph.name: self.start for graph in self.graphs}
        if self.tools.smooth:
            smooth = replace(self.start, smooth=True)
            yield f"{name}, smoothed", {graph.name: smooth for graph in self.graphs}
            name += ", smoothed" if self.start.smooth else ""
        full: Trial = {graph.name: self._without_losing(graph.name) for graph in self.graphs}
        lost = sum(len(nodes) for nodes in self.tools.losing.values())
        if lost:
            yield f"{name}, {lost} nodes in float", full
        ranked = self._ranked(folder, progress)
        count = 1
        while count < len(ranked):
            trial = dict(full)
            for owner, nodes in ranked[:count]:
                scheme = trial[owner]
                assert scheme is not None
                trial[owner] = scheme.without(nodes)
            skipped = lost + sum(len(nodes) for _, nodes in ranked[:count])
            yield f"{name}, {skipped} nodes in float", trial
            count *= 2
        if self.tools.wide and self.start.activations == "uint8":
            wide = {
                graph: None if one is None else replace(one, activations="int16")
                for graph, one in full.items()
            }
            yield NAMES["int16"], wide
        if len(self.graphs) > 1:
            for graph in self.graphs:
                yield f"{name}, graph {graph.name} in float", {**full, graph.name: None}

    def _without_losing(self, graph: str) -> Scheme:
        return self.start.without(self.tools.losing.get(graph, frozenset()))

    def _ranked(self, folder: Path, progress: Progress) -> list[tuple[str, frozenset[str]]]:
        """Groups of neighbouring nodes, those with the largest error when quantized alone first."""
        losing = self.tools.losing
        quantized = {
            graph: [node for node in part.nodes if node not in losing.get(graph, ())]
            for graph, part in self.parts.items()
        }
        length = max(1, -(-sum(map(len, quantized.values())) // self.tools.groups))
        groups = [
            (graph, frozenset(nodes[first : first + length]))
            for graph, nodes in quantized.items()
            for first in range(0, len(nodes), length)
        ]
        costs: list[tuple[float, int, str, frozenset[str]]] = []
        for place, (graph, group) in enumerate(groups):
            alone = self.start.without(frozenset(self.parts[graph].nodes) - group)
            trial: Trial = {g.name: alone if g.name == graph else None for g in self.graphs}
            costs.append((self._measure(trial, folder, few=True).mad, place, graph, group))
            progress("sensitivity of groups of nodes", place + 1, len(groups))
        costs.sort(key=lambda row: (-row[0], row[1]))
        return [(graph, group) for _, _, graph, group in costs]

    def _measure(self, trial: Trial, folder: Path, *, few: bool) -> Measured:
        files = {}
        with tempfile.TemporaryDirectory(dir=folder) as place:
            for graph in self.graphs:
                model = self.parts[graph.name].quantize(trial[graph.name])
                written = self.tools.save(model, graph, Path(place))
                files[graph.name] = written, Path(place) / written.file
            return self.tools.measure(files, few)
