"""A quantized export, from captured graphs to files: feeds, quantizers, and the ladder."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.calibration.feeds import record_feeds
from edgematte.calibration.ladder import Ladder, Quantizable, Tools
from edgematte.calibration.measure import Measured, measure, references
from edgematte.calibration.pictures import calibration_set
from edgematte.calibration.quantizers import quantizable
from edgematte.calibration.scheme import SCHEMES
from edgematte.calibration.smoothing import Smoothable, smoothed
from edgematte.check.engines import check_engines
from edgematte.errors import ToleranceError
from edgematte.export.capture import Capture, TorchGraph
from edgematte.export.request import Request
from edgematte.manifest import Graph, Manifest, Rung
from edgematte.progress import Progress
from edgematte.runtime.graph import to_file

Bytes = NDArray[np.uint8]
GROUPS = {"onnx": 12, "openvino": 6, "coreml": 6}
"""Groups of nodes whose sensitivity is measured: as many as their quantizer has time for."""
FEEDS = {"onnx": 24, "openvino": 24, "coreml": 8}
"""Most calls of a graph that calibrate it; the MIL evaluator is slow."""
JUDGES = {"onnx": 8, "openvino": 8, "coreml": 2}
"""Most held-out pictures that judge a rung."""
FEW = 2  # of them, for sensitivities


@dataclass(frozen=True)
class Calibration:
    """What a quantized export is given beside the model."""

    pictures: Path | str | Iterable[Bytes] | None = None
    limit: int = 32
    budget: float = 0.01  # mean absolute alpha error over the unknown band, against PyTorch
    seed: int = 0
    method: str | None = None  # how ranges of activations are chosen


def write_quantized(
    request: Request,
    writer: ModuleType,
    captures: Sequence[Capture],
    sources: Sequence[TorchGraph],
    manifest: Manifest,
    folder: Path,
    calibration: Calibration,
    *,
    force: bool,
    progress: Progress,
) -> tuple[tuple[Graph, ...], tuple[Rung, ...]]:
    """Write the graphs' files at the first rung inside the budget.

    Returns:
        The declarations with their files, and every rung that was tried.

    Raises:
        ToleranceError: no rung is inside the budget, and it was not forced.
        OptionError: no calibration pictures.
    """
    target, host, options = request.target, manifest.host, request.options
    start = replace(SCHEMES[options.precision], method=calibration.method)
    pictures = calibration_set(calibration.pictures, limit=calibration.limit, seed=calibration.seed)
    if pictures.skipped:
        progress(f"{len(pictures.skipped)} pictures could not be read: {pictures.skipped[0]}")
    feeds: Mapping[str, Iterable[Mapping[str, NDArray[Any]]]] = {}
    if start.activations is not None:
        key = {"pictures": pictures.sha256}
        feeds = record_feeds(
            request.family,
            host,
            sources,
            pictures.calibrating,
            key,
            seed=calibration.seed,
            stage=manifest.trimap_stage,
            progress=progress,
        )
    parts: dict[str, Quantizable] = {}
    for one in captures:
        model = writer.build(one, options)
        progress(f"collecting ranges of {one.graph.name}")
        given = feeds.get(one.graph.name)
        limited = None if given is None else _for_file(given, writer, one, options, FEEDS[target])
        parts[one.graph.name] = quantizable(target, model, limited)
        if given is None or limited is None:
            continue
        smooth, norms = smoothed(one, itertools.islice(given, FEEDS[target]))
        if norms:
            progress(f"smoothing {norms} norms of {one.graph.name}")
            other = quantizable(target, writer.build(smooth, options), limited)
            if len(other.nodes) == len(parts[one.graph.name].nodes):  # not: norms of ones alone
                parts[one.graph.name] = Smoothable(parts[one.graph.name], other)
    held_out = pictures.held_out[: JUDGES[target]]
    judges = references(request.family, host, sources, held_out, manifest.trimap_stage)
    engine = check_engines(manifest)[0]

    def judge(files: Mapping[str, tuple[Graph, Path]], few: bool) -> Measured:
        known = judges[:FEW] if few else judges
        timed = target != "coreml" and not few
        stage = manifest.trimap_stage
        return measure(request.family, host, files, engine, known, timed=timed, stage=stage)

    tools = Tools(
        save=lambda model, graph, place: writer.save(model, graph, place, "", options),
        measure=judge,
        wide=target == "onnx",
        groups=GROUPS[target],
        smooth=any(isinstance(part, Smoothable) for part in parts.values()),
    )
    graphs = [one.graph for one in captures]
    trial, rungs = Ladder(graphs, parts, tools, start).climb(calibration.budget, progress)
    taken = next(rung for rung in rungs if rung.chosen)
    if not taken.inside and not force:
        raise ToleranceError(
            f"no INT8 rung is inside the budget: the most accurate, {taken.name}, has a mean alpha "
            f"error of {taken.mad:.4f} in the unknown band (budget {calibration.budget:g}); "
            "nothing was written: give --calibration pictures like those of the app, a larger "
            "--budget, --precision int8-weights or fp16, or --force"
        )
    embedded = manifest.embedded()
    written = tuple(
        writer.save(parts[g.name].quantize(trial[g.name]), g, folder, embedded, options)
        for g in graphs
    )
    return written, rungs


def _for_file(
    feeds: Iterable[Mapping[str, NDArray[Any]]],
    writer: ModuleType,
    one: Capture,
    options: Any,
    limit: int,
) -> list[dict[str, NDArray[Any]]]:
    """The first feeds as the file takes them: its dtypes, its ranges."""
    declared = writer.declared(one.graph, options) if hasattr(writer, "declared") else one.graph
    chosen = []
    for number, feed in enumerate(feeds):
        if number == limit:
            break
        chosen.append({t.name: to_file(feed[t.name], t) for t in declared.inputs})
    return chosen
