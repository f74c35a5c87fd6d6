"""Finding the stage of a bundle that departs: each one alone, on the values recorded before it.

A host step or graph that gets recorded values and gives what was recorded is well, whatever the
others do. So the first one that does not is at fault, and not one that was handed its errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgematte.check.compare import compare_graphs, compare_host
from edgematte.check.engines import CheckEngine
from edgematte.check.goldens import Goldens
from edgematte.check.tolerances import TOLERANCES, tolerance_for
from edgematte.errors import BundleError, EngineError
from edgematte.manifest import Difference
from edgematte.net import load_part
from edgematte.nets import find
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.steps import steps_of

HOST, GRAPH = "host step", "graph"


@dataclass(frozen=True)
class Stage:
    """One host step or graph, run alone.

    `worst`: of its outputs, the one farthest from its tolerance; None where it gave no result.
    `failure`: why it gave none.
    """

    kind: str
    name: str
    engine: str
    worst: Difference | None
    failure: str = ""

    @property
    def well(self) -> bool:
        """Whether everything it gave is inside the tolerances."""
        return self.worst is not None and self.worst.ok


def examine(bundle: Bundle, engine: CheckEngine, goldens: Goldens) -> list[Stage]:
    """Run every host step in NumPy and every graph on an engine, each on recorded values.

    Raises:
        BundleError: an unknown precision, or a record that lacks an array.
        EngineError: a graph cannot be opened.
    """
    manifest = bundle.manifest
    if manifest.precision not in TOLERANCES:
        raise BundleError(f"unknown precision {manifest.precision!r}")
    variant, host = find(manifest.model), manifest.host
    stages = []
    for step in steps_of(load_part(variant.net.steps), host):
        rows = compare_host(goldens, [step], host)
        stages.append(Stage(HOST, step.name, "numpy", _worst(rows)))
    limit = tolerance_for(manifest.precision, variant.net.unpools)
    for graph in manifest.graphs:
        if graph.name not in goldens.graphs:
            continue
        opened = engine.open(bundle.file(graph), graph)
        call = RunnableGraph(graph, opened, manifest.host_of(graph))
        only = Goldens(
            {graph.name: goldens.graphs[graph.name]},
            goldens.host,
            goldens.picture,
            goldens.trimap,
            goldens.alpha,
        )
        try:
            rows = compare_graphs(only, {graph.name: call}, engine.label, limit)
        except EngineError as error:
            stages.append(Stage(GRAPH, graph.name, engine.label, None, str(error)))
            continue
        stages.append(Stage(GRAPH, graph.name, engine.label, _worst(rows)))
    return stages


def first_departing(stages: Sequence[Stage]) -> Stage | None:
    """The first stage that is not well."""
    return next((stage for stage in stages if not stage.well), None)


def _worst(rows: Sequence[Difference]) -> Difference:
    def excess(row: Difference) -> float:
        pairs = ((row.max_abs, row.tolerance_max), (row.mean_abs, row.tolerance_mean))
        return max(found / max(limit or 0.0, 1e-12) for found, limit in pairs)

    return max(rows, key=excess)
