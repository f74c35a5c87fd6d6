"""Running a check: comparing goldens with engines gives the accuracy that a manifest records."""

from collections.abc import Sequence

from edgematte.check.clips import compare_clip
from edgematte.check.compare import (
    compare_batches,
    compare_graphs,
    compare_host,
    compare_trimaps,
    compare_whole,
)
from edgematte.check.engines import CheckEngine
from edgematte.manifest import Accuracy, Difference, Quality
from edgematte.net import load_part
from edgematte.nets import find
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.steps import steps_of
from edgematte.runtime.pipeline import pipeline_for
from edgematte.runtime.proof.goldens import Goldens, read
from edgematte.runtime.proof.tolerances import TRIMAPS
from edgematte.runtime.proof.trial import tolerance_of


def check_bundle(
    bundle: Bundle, engines: Sequence[CheckEngine], goldens: Goldens | None = None
) -> Accuracy:
    """Compare a bundle with PyTorch.

    Args:
        bundle: the bundle, opened and verified.
        engines: the engines to run it on.
        goldens: PyTorch's tensors; by default those recorded in the bundle.

    Raises:
        EngineError: an engine is missing or cannot run a graph.
        BundleError: the golden records cannot be read, or the precision is unknown.
    """
    manifest = bundle.manifest
    limits = tolerance_of(manifest)
    if goldens is None:
        goldens = read(bundle.path, {g.name: g for g in manifest.graphs})
    variant, host = find(manifest.model), manifest.host
    steps = steps_of(load_part(variant.net.steps), host)
    differences: list[Difference] = compare_host(goldens, steps, host)
    quality: list[Quality] = []
    for engine in engines:
        tolerance = limits if engine.decides else None
        graphs = {
            g.name: RunnableGraph(g, engine.open(bundle.file(g), g), manifest.host_of(g))
            for g in manifest.graphs
        }
        differences += compare_graphs(goldens, graphs, engine.label, tolerance)
        differences += compare_batches(goldens, graphs, engine.label, tolerance)
        pipeline = pipeline_for(variant, host, graphs, stage=manifest.trimap_stage)
        given = goldens.trimap if variant.net.needs_trimap else None
        whole, rows = compare_whole(goldens, pipeline, engine.label, tolerance, given)
        differences += whole
        if goldens.clip is not None:
            differences += compare_clip(
                goldens.clip, goldens.picture, pipeline, engine.label, tolerance
            )
        if manifest.trimap_stage is not None:
            trimap = pipeline.trimap(goldens.picture, None, Clock())
            limit = TRIMAPS[manifest.precision] if engine.decides else None
            differences.append(compare_trimaps(goldens, trimap, engine.label, limit))
        quality += rows
    return Accuracy(tuple(differences), tuple(quality))
