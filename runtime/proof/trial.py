"""Trying an engine on the golden calls of a bundle: is it right, and how long does a call take."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from edgematte.errors import BundleError, EngineError, ToleranceError
from edgematte.manifest import Difference, Manifest
from edgematte.nets import find
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines import Engine
from edgematte.runtime.engines.graph import GraphCall, RunnableGraph
from edgematte.runtime.proof.difference import difference
from edgematte.runtime.proof.goldens import GraphRecord, read_graph
from edgematte.runtime.proof.tolerances import (
    TOLERANCES,
    Tolerance,
    output_tolerance,
    tolerance_for,
)

TAKEN, SLOWER, WRONG = "taken", "slower", "wrong"
FAILED, MISSING, UNTRIED = "failed", "missing", "not tried"
RUNS = 2
"""*Chosen*: timed calls of each graph after the one that is compared, which also warms it up."""
LONG_S = 0.2
"""A graph whose first call takes longer than this is not called again: that call is its time."""

Records = Mapping[str, GraphRecord]


@dataclass(frozen=True)
class Trial:
    """What was found of one engine on one device.

    `verdict`: taken; slower, which is right, too; wrong, which is outside the tolerance; failed,
    which gave no result; missing; or not tried. `reason` says why in words. `seconds`: of one call
    of each graph, together. `worst`: of all outputs, the one farthest from its tolerance.
    """

    engine: str
    device: str
    verdict: str
    reason: str = ""
    seconds: float | None = None
    worst: Difference | None = None

    @property
    def right(self) -> bool:
        """Whether it ran and everything that it gave is inside the tolerances."""
        return self.seconds is not None and self.worst is not None and self.worst.ok

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.engine} on {self.device}: {self.verdict}, {self.reason}"


def records_of(bundle: Bundle) -> dict[str, GraphRecord]:
    """The golden call of every graph, by the graph's name.

    Raises:
        BundleError: a record cannot be read.
    """
    return {graph.name: read_graph(bundle.path, graph) for graph in bundle.manifest.graphs}


def tolerance_of(manifest: Manifest) -> Tolerance:
    """What a bundle's graphs are allowed.

    Raises:
        BundleError: an unknown precision.
    """
    if manifest.precision not in TOLERANCES:
        raise BundleError(
            f"unknown precision {manifest.precision!r}; there are: {', '.join(TOLERANCES)}"
        )
    return tolerance_for(manifest.precision, find(manifest.model).net.unpools)


def compare_graph(
    name: str, record: GraphRecord, graph: GraphCall, engine: str, tolerance: Tolerance | None
) -> list[Difference]:
    """A graph on its recorded inputs: a row for each of its outputs.

    Raises:
        EngineError: it failed, or gave values that are not finite.
    """
    try:
        outputs = graph(**record.inputs)
    except EngineError as error:
        raise EngineError(f"graph {name} on {engine}: {error}") from None
    rows = []
    for output, expected in record.outputs.items():
        limit = None if tolerance is None else output_tolerance(expected, tolerance)
        value = record.sample(outputs[output])
        rows.append(difference("export", f"{name}.{output}", engine, value, expected, limit))
    return rows


def tried(
    engine: str,
    device: str,
    manifest: Manifest,
    engines: Mapping[str, Engine],
    records: Records,
    *,
    timed: bool = True,
) -> Trial:
    """Run the golden calls on opened graphs; its verdict is wrong, or for now slower.

    ``timed``: call each graph a few times more for its time, which is otherwise that of its first
    call.

    Raises:
        EngineError: a graph failed, or gave values that are not finite.
    """
    where, limit = f"{engine} on {device}", tolerance_of(manifest)
    rows: list[Difference] = []
    seconds = 0.0
    for graph in manifest.graphs:
        call = RunnableGraph(graph, engines[graph.name], manifest.host_of(graph))
        start = time.perf_counter()
        rows += compare_graph(graph.name, records[graph.name], call, where, limit)
        first = time.perf_counter() - start
        if not all(row.ok for row in rows):
            row = worst_of(rows)
            return Trial(engine, device, WRONG, excess_of(row), seconds + first, row)
        again = timed and first < LONG_S
        seconds += _fastest(call, records[graph.name]) if again else first
    return Trial(engine, device, SLOWER, f"{1000 * seconds:.1f} ms", seconds, worst_of(rows))


def _fastest(call: GraphCall, record: GraphRecord) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call(**record.inputs)
        times.append(time.perf_counter() - start)
    return min(times)


def prove(
    manifest: Manifest, graphs: Mapping[str, GraphCall], records: Records, where: str
) -> list[Difference]:
    """The differences of opened graphs on their golden calls.

    Raises:
        ToleranceError: one is outside; the message names the worst.
        EngineError: a graph failed, or gave values that are not finite.
    """
    limit = tolerance_of(manifest)
    rows: list[Difference] = []
    for graph in manifest.graphs:
        rows += compare_graph(graph.name, records[graph.name], graphs[graph.name], where, limit)
    if not all(row.ok for row in rows):
        raise ToleranceError(f"{where} is wrong on this machine: {excess_of(worst_of(rows))}")
    return rows


def worst_of(rows: list[Difference]) -> Difference:
    """The row farthest outside its tolerance, or nearest to it."""

    def excess(row: Difference) -> float:
        pairs = ((row.max_abs, row.tolerance_max), (row.mean_abs, row.tolerance_mean))
        return max(found / max(limit or 0.0, 1e-12) for found, limit in pairs)

    return max(rows, key=excess)


def excess_of(row: Difference) -> str:
    """How far a row is off, in words."""
    return (
        f"{row.where} differs from what was recorded at export by {row.max_abs:.1e} at most and "
        f"{row.mean_abs:.1e} on average (allowed {row.tolerance_max:.0e} and "
        f"{row.tolerance_mean:.0e})"
    )
