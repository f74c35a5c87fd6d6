"""Measuring how good and how fast a quantized export is, on pictures kept out of calibration."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgematte.check.engines import CheckEngine
from edgematte.export.estimator import estimator_for
from edgematte.export.float_graph import Reference
from edgematte.export.report import size_of
from edgematte.host import Host
from edgematte.manifest import Graph
from edgematte.metrics import scores
from edgematte.net import Variant
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.pipeline import pipeline_for

LONGEST_PX = 768
"""Held-out pictures are reduced to this longest side: rounding errors show at any size."""
TIMED_RUNS = 5


@dataclass(frozen=True)
class Measured:
    """Errors against the reference over its unknown band, for all held-out pictures together."""

    mad: float
    grad: float  # mean Grad of the pictures
    conn: float
    size: int  # bytes of the graphs
    ms: float  # median time of the graphs for one picture; 0 where the engine is a stand-in


@dataclass(frozen=True)
class Judge:
    """A held-out picture and what the reference makes of it."""

    picture: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    trimap: NDArray[np.uint8]


def judges_of(
    variant: Variant,
    host: Host,
    graphs: Sequence[Reference],
    pictures: Sequence[NDArray[np.uint8]],
    stage: Host | None = None,
) -> list[Judge]:
    """Matte the pictures by the host steps with the references of all graphs."""
    estimate = estimator_for(variant, stage)
    calls = {graph.graph.name: graph for graph in graphs}
    pipeline = pipeline_for(variant, host, calls, stage=stage, estimate=estimate)
    judged = []
    for picture in pictures:
        reduced = _reduced(picture)
        alpha, trimap = pipeline(reduced, None, Clock())
        judged.append(Judge(reduced, alpha, trimap))
    return judged


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    factor = LONGEST_PX / max(height, width)
    if factor >= 1:
        return picture
    return resize_picture(picture, (max(1, round(width * factor)), max(1, round(height * factor))))


def measure(
    variant: Variant,
    host: Host,
    files: Mapping[str, tuple[Graph, Path]],
    engine: CheckEngine,
    judges: Sequence[Judge],
    *,
    timed: bool,
    stage: Host | None = None,
) -> Measured:
    """Run a set of graph files end to end.

    Args:
        variant: the variant of the model.
        host: the host section of the cut.
        files: declaration and file of each graph, by name.
        engine: the engine that runs them.
        judges: the held-out pictures, and what the reference made of them.
        timed: whether to time the engine.
        stage: the host section of the trimap stage, whose errors count too.
    """
    calls = {name: RunnableGraph(g, engine.open(file, g)) for name, (g, file) in files.items()}
    pipeline = pipeline_for(variant, host, calls, stage=stage)
    given = variant.net.needs_trimap and stage is None
    rows = []
    for one in judges:
        alpha, _ = pipeline(one.picture, one.trimap if given else None, Clock())
        rows.append(scores(alpha, one.alpha, one.trimap))
    pixels = sum(row.pixels for row in rows)
    mad = sum(row.mad * row.pixels for row in rows) / pixels if pixels else 0.0
    times = []
    for _ in range(TIMED_RUNS if timed else 0):
        clock = Clock()
        pipeline(judges[0].picture, judges[0].trimap if given else None, clock)
        times.append(sum(s for stage, s in clock.seconds.items() if stage.startswith("graph.")))
    return Measured(
        mad=mad,
        grad=statistics.fmean(row.grad for row in rows),
        conn=statistics.fmean(row.conn for row in rows),
        size=sum(size_of(file) for _, file in files.values()),
        ms=1000 * statistics.median(times) if times else 0.0,
    )
