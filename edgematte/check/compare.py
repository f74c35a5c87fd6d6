"""Comparing the outputs of engines and host steps with recorded ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte import metrics
from edgematte.check.choices import Replay, flips
from edgematte.errors import BundleError
from edgematte.host import Host
from edgematte.manifest import Difference, Quality
from edgematte.runtime.engines.graph import GraphCall, RunnableGraph
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.steps import HostStep
from edgematte.runtime.pipeline import Pipeline
from edgematte.runtime.proof.difference import difference
from edgematte.runtime.proof.goldens import Goldens, fitting
from edgematte.runtime.proof.tolerances import HOST, Tolerance, output_tolerance
from edgematte.runtime.proof.trial import compare_graph


def compare_graphs(
    goldens: Goldens, graphs: Mapping[str, GraphCall], engine: str, tolerance: Tolerance | None
) -> list[Difference]:
    """The second equality: every graph on its recorded inputs."""
    differences = []
    for name, record in goldens.graphs.items():
        differences += compare_graph(name, record, graphs[name], engine, tolerance)
    return differences


def compare_batches(
    goldens: Goldens, graphs: Mapping[str, RunnableGraph], engine: str, tolerance: Tolerance | None
) -> list[Difference]:
    """Graphs of dynamic batch: recorded inputs first and last in a batch, mirrored ones between.

    Recorded inputs must give their recorded outputs at either place, and mirrored inputs must give
    what they give when they run alone.
    """
    differences = []
    for name, record in goldens.graphs.items():
        if not graphs[name].graph.dynamic_batch:
            continue
        given = record.inputs
        mirrored = {k: np.ascontiguousarray(v[..., ::-1]) for k, v in given.items()}
        together = {k: np.concatenate([v, mirrored[k], mirrored[k], v]) for k, v in given.items()}
        alone, batch = graphs[name](**mirrored), graphs[name](**together)
        for output, expected in record.outputs.items():
            rows = batch[output][:, None]  # as batches of one
            limit = None if tolerance is None else output_tolerance(expected, tolerance)
            value = np.concatenate(
                [
                    record.sample(rows[0]),
                    record.sample(rows[3]),
                    *(record.sample(r) for r in rows[1:3]),
                ]
            )
            wanted = np.concatenate([expected] * 2 + [record.sample(alone[output])] * 2)
            where = f"{name}.{output}, batch of {len(rows)}"
            differences.append(difference("export", where, engine, value, wanted, limit))
    return differences


def compare_host(goldens: Goldens, steps: Sequence[HostStep], host: Host) -> list[Difference]:
    """Every host step on its recorded inputs."""
    rows = []
    for step in steps:
        for array in step.reads:
            _recorded(goldens, array.name)
        with fitting(f"the host step {step.name}"):
            results = step(host, goldens.host)
        for array in step.gives:
            value = results[array.name]
            expected = array.taken(_recorded(goldens, array.name))
            exact = value.dtype.kind in "iub"
            limit = Tolerance(0.0, 0.0) if exact else HOST
            where = f"{step.name}.{array.name}"
            with fitting(f"the host step {step.name}"):
                found = array.sampled(value)
                rows.append(difference("host", where, "numpy", found, expected, limit))
    return rows


def compare_whole(
    goldens: Goldens,
    pipeline: Pipeline,
    engine: str,
    tolerance: Tolerance | None,
    trimap: NDArray[np.uint8] | None = None,
) -> tuple[list[Difference], list[Quality]]:
    """The third equality: alpha of the picture, and the metrics a person would see.

    Where the host makes choices, alpha is compared with PyTorch's choices in use; the metrics are
    of the alpha with the engine's own choices.
    """
    clock = Clock()
    alpha, _ = pipeline(goldens.picture, trimap, clock)
    differences = [difference("end-to-end", "alpha", engine, alpha, goldens.alpha, tolerance)]
    if goldens.choices:
        with fitting("the choices of the host"):
            given, _ = pipeline(goldens.picture, trimap, Replay(goldens.choices))
            flipped = flips(clock.choices, goldens.choices, engine)
        differences = [
            difference("end-to-end", "alpha", engine, given, goldens.alpha, tolerance),
            *flipped,
            difference("choices", "alpha, as chosen", engine, alpha, goldens.alpha, None),
        ]
    regions = (("unknown band", goldens.trimap), ("whole picture", None))
    rows = []
    for region, trimap in regions:
        figures = asdict(metrics.scores(alpha, goldens.alpha, trimap))
        rows.append(Quality(**figures, region=region, engine=engine))
    return differences, rows


def compare_trimaps(
    goldens: Goldens, estimated: NDArray[np.uint8], engine: str, tolerance: Tolerance | None
) -> Difference:
    """The trimap that a bundle's own stage estimates, against PyTorch's; bytes / 255."""
    one, other = (trimap.astype(np.float32) / 255 for trimap in (estimated, goldens.trimap))
    return difference("end-to-end", "estimated trimap", engine, one, other, tolerance)


def _recorded(goldens: Goldens, name: str) -> NDArray[Any]:
    if name not in goldens.host:
        raise BundleError(f"the golden record of the host steps lacks the array {name!r}")
    return goldens.host[name]
