"""A quantized export, from float graphs to files: feeds, quantizers, and the ladder."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgematte.calibration.feeds import record_feeds
from edgematte.calibration.ladder import Ladder, Quantizable, Tools
from edgematte.calibration.measure import Measured, judges_of, measure
from edgematte.calibration.pictures import calibration_set
from edgematte.calibration.quantizers import quantizable
from edgematte.calibration.scheme import SCHEMES
from edgematte.calibration.smoothable import Smoothable
from edgematte.check.engines import check_engines
from edgematte.errors import ToleranceError
from edgematte.export.float_graph import FloatGraph, Reference
from edgematte.export.int8 import Int8
from edgematte.manifest import Graph, Manifest, Rung
from edgematte.net import Variant
from edgematte.progress import Progress
from edgematte.runtime.engines.graph import to_file
from edgematte.targets import Target

FEW = 2  # pictures that sensitivities are measured on


def write_quantized(
    variant: Variant,
    target: Target,
    graphs: Sequence[FloatGraph],
    sources: Sequence[Reference],
    manifest: Manifest,
    folder: Path,
    calibration: Int8,
    *,
    force: bool,
    progress: Progress,
) -> tuple[tuple[Graph, ...], tuple[Rung, ...]]:
    """Write the graphs' files at the first rung inside the budget.

    Args:
        variant: the variant of the model.
        target: the target, whose quantizer is taken.
        graphs: the float graphs that are quantized.
        sources: the references of the same graphs.
        manifest: of the bundle, with its precision.
        folder: where the files go.
        calibration: the pictures, and how good the result must be.
        force: write it, too, where no rung is inside the budget.
        progress: called at each step.

    Returns:
        The declarations with their files, and every rung that was tried.

    Raises:
        ToleranceError: no rung is inside the budget, and ``force`` is not given.
        OptionError: there are no calibration pictures.
    """
    host, effort = manifest.host, target.effort
    start = replace(SCHEMES[manifest.precision], method=calibration.method)
    pictures = calibration_set(calibration.pictures, limit=calibration.limit, seed=calibration.seed)
    if pictures.skipped:
        progress(f"{len(pictures.skipped)} pictures could not be read: {pictures.skipped[0]}")
    feeds: Mapping[str, Iterable[Mapping[str, NDArray[Any]]]] = {}
    if start.activations is not None:
        key = {"pictures": pictures.sha256}
        feeds = record_feeds(
            variant,
            host,
            sources,
            pictures.calibrating,
            key,
            seed=calibration.seed,
            stage=manifest.trimap_stage,
            progress=progress,
        )
    parts: dict[str, Quantizable] = {}
    for one in graphs:
        model = one.build()
        progress(f"collecting ranges of {one.graph.name}")
        given = feeds.get(one.graph.name)
        limited = None if given is None else _for_file(given, one, effort.feeds)
        parts[one.graph.name] = quantizable(target, model, limited)
        if given is None or limited is None:
            continue
        smooth, norms = one.smoothed(itertools.islice(given, effort.feeds))
        if norms:
            progress(f"smoothing {norms} norms of {one.graph.name}")
            other = quantizable(target, smooth, limited)
            # The numbers differ where all factors of a norm were 1, which its file leaves out.
            if len(other.nodes) == len(parts[one.graph.name].nodes):
                parts[one.graph.name] = Smoothable(parts[one.graph.name], other)
    held_out = pictures.held_out[: effort.judges]
    judges = judges_of(variant, host, sources, held_out, manifest.trimap_stage)
    engine = check_engines(manifest)[0]

    def judge(files: Mapping[str, tuple[Graph, Path]], few: bool) -> Measured:
        chosen = judges[:FEW] if few else judges
        timed = target.evaluator is None and not few
        stage = manifest.trimap_stage
        return measure(variant, host, files, engine, chosen, timed=timed, stage=stage)

    own = {one.graph.name: one for one in graphs}
    tools = Tools(
        save=lambda model, graph, place: own[graph.name].save(model, place, ""),
        measure=judge,
        wide=target.wide,
        groups=effort.groups,
        losing={one.graph.name: found for one in graphs if (found := _losing(one, parts))},
        smooth=any(isinstance(part, Smoothable) for part in parts.values()),
    )
    listed = [one.graph for one in graphs]
    trial, rungs = Ladder(listed, parts, tools, start).climb(calibration.budget, progress)
    taken = next(rung for rung in rungs if rung.chosen)
    if not taken.inside and not force:
        raise ToleranceError(
            f"no INT8 rung is inside the budget: the most accurate, {taken.name}, has a mean alpha "
            f"error of {taken.mad:.4f} in the unknown band (budget {calibration.budget:g}); "
            "nothing was written: give calibration pictures like those of the app, a larger "
            "budget, the precision int8-weights or fp16, or force"
        )
    embedded = manifest.embedded()
    written = tuple(
        one.save(parts[name].quantize(trial[name]), folder, embedded) for name, one in own.items()
    )
    return written, rungs


def _losing(one: FloatGraph, parts: Mapping[str, Quantizable]) -> frozenset[str]:
    """Those nodes of a graph that lose in coarse numbers and can be quantized."""
    return one.losing & frozenset(parts[one.graph.name].nodes)


def _for_file(
    feeds: Iterable[Mapping[str, NDArray[Any]]],
    one: FloatGraph,
    limit: int,
) -> list[dict[str, NDArray[Any]]]:
    """The first ``limit`` feeds, converted to the dtypes and ranges that the file takes."""
    chosen = []
    for number, feed in enumerate(feeds):
        if number == limit:
            break
        chosen.append({t.name: to_file(feed[t.name], t) for t in one.declared.inputs})
    return chosen
