"""Finding the stage of a bundle that departs: each one alone, on the values recorded before it.

A host step or graph that gets recorded values and gives what was recorded is well, whatever the
others do. So the first one that does not is at fault, and not one that was handed its errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgematte.check.compare import compare_graphs, compare_host
from edgematte.check.engines import CheckEngine
from edgematte.errors import EngineError
from edgematte.manifest import Difference
from edgematte.net import load_part
from edgematte.nets import find
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.steps import steps_of
from edgematte.runtime.proof.goldens import Goldens
from edgematte.runtime.proof.trial import tolerance_of, worst_of

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

    Host steps are left out where the goldens have no arrays of them.

    Raises:
        BundleError: an unknown precision, or a record that lacks an array.
        EngineError: a graph cannot be opened.
    """
    manifest = bundle.manifest
    limit = tolerance_of(manifest)
    variant, host = find(manifest.model), manifest.host
    stages = []
    for step in steps_of(load_part(variant.net.steps), host) if goldens.host else ():
        rows = compare_host(goldens, [step], host)
        stages.append(Stage(HOST, step.name, "numpy", worst_of(rows)))
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
        stages.append(Stage(GRAPH, graph.name, engine.label, worst_of(rows)))
    return stages


def first_departing(stages: Sequence[Stage]) -> Stage | None:
    """The first stage that is not well."""
    return next((stage for stage in stages if not stage.well), None)
