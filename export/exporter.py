"""The export, start to end: load, cut, capture, write, check, report; a bundle or nothing."""

import dataclasses
import importlib
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edgematte.atomic import atomic_folder
from edgematte.check.engines import check_engines
from edgematte.check.goldens import Goldens, save
from edgematte.check.run import check_bundle
from edgematte.checkpoint import config_of, load_model, module_weights, random_model
from edgematte.errors import EngineError, ToleranceError
from edgematte.export import destination
from edgematte.export.capture import capture
from edgematte.export.cuts.trimap_stage import stage_for, stage_graph
from edgematte.export.frames import frames_for, sized_graphs
from edgematte.export.passes import passes_for
from edgematte.export.record import record
from edgematte.export.report import write_report
from edgematte.export.request import (
    OPTIONS_OF,
    check_quantizing,
    check_weights,
    family_of,
    options_for,
    resolve,
)
from edgematte.export.targets import FLOATS, target_module
from edgematte.manifest import FILE, FORMAT, Accuracy, Difference, Manifest
from edgematte.progress import Progress, silent
from edgematte.registry import family
from edgematte.runtime.bundle import Bundle, open_bundle, sha256_file
from edgematte.runtime.engines import engine_for
from edgematte.runtime.matter import matter_from
from edgematte.testcard import testcard, testcard_trimap


def export(
    model: str | nn.Module,
    *,
    target: str,
    precision: str | None = None,
    size: int | tuple[int, int] | str | None = None,
    sizes: Sequence[tuple[int, int]] | None = None,
    padding: str | None = None,
    graphs: str | None = None,
    patch: int | None = None,
    regions: int | None = None,
    overlap: int | None = None,
    context: int | None = None,
    lattice: int | None = None,
    weights: Path | str | None = None,
    random_weights: bool = False,
    seed: int | None = None,
    config: dict[str, int] | None = None,
    output: Path | str | None = None,
    force: bool = False,
    opset: int | None = None,
    min_ios: int | None = None,
    io: str | None = None,
    alpha_bits: int | None = None,
    ort: bool = False,
    dynamic_batch: bool = False,
    cascade: str | None = None,
    band_px: int | None = None,
    calibration: Path | str | Iterable[NDArray[np.uint8]] | None = None,
    calibration_limit: int | None = None,
    range_method: str | None = None,
    budget: float | None = None,
    picture: NDArray[np.uint8] | None = None,
    progress: Progress = silent,
) -> Bundle:
    """Export one model to one target, checked against PyTorch.

    An option that means nothing to the model, target or precision is refused, not ignored.

    Args:
        model: a model's name, or a trained module of one of the SDK's classes, which stays as it
            is.
        target: onnx, openvino or coreml.
        precision: fp32, fp16, int8 (weights and activations), int8-weights, or int4-palette
            (coreml); by default fp32, and fp16 for coreml.
        size: side, or (width, height), of the picture the whole-picture graph sees; 512 by
            default. ``picture``: that of the picture to check with, padded (vitmatte, diffmatte).
        sizes: several (width, height) instead: a bundle with graphs of each, of which a picture
            gets the smallest that holds it (vitmatte, diffmatte).
        padding: of those: ``minimal`` (the default) raises each side to the next multiple,
            ``authors`` both sides to a larger one where one is no multiple, as the published code
            does.
        graphs: the cut; by default the model's first. Of lightweight: ``fused`` (image -> alpha,
            trimap) or ``split`` (any resolution). Of diffmatte: ``whole``, or ``tiles``, where only
            tiles with unknown pixels are denoised.
        patch: side of the refining graph's patches, split cut; 320 by default. Of diffmatte's
            tiles; 128 by default.
        regions: cells that one call of a graph refines, regions cut; 512 by default.
        overlap: pixels that neighbouring tiles share, tiles cut; 128 by default, at most half a
            tile. Of diffmatte: the margin of a tile at each of its borders; 16 by default.
        context: of diffmatte: pixels that frames of a picture share which is larger than the
            graphs; 128 by default. 0 reduces such pictures instead.
        lattice: step of grid sampling in ViTMatte's global attention, for less memory; 1 by
            default: none.
        weights: a checkpoint; by default the weights that ship with edgematte.
        random_weights: seeded random weights instead, for trying the tool chain.
        seed: of the random weights, and of the choice of calibration pictures; 0 by default.
        config: options of the model with random weights.
        output: folder of the bundle; by default MODEL-TARGET-PRECISION.edgematte.
        force: replace a bundle that exists (nothing else, and only once the new one is whole),
            and write one that is outside its tolerance.
        opset: ONNX operator set, 18 to 26; 18 by default.
        min_ios: oldest iOS that Core ML programs run on; 16 by default, 17 for int8.
        io: Core ML: ``tensor`` (the default), or ``image`` for pictures in and out.
        alpha_bits: of Core ML's alpha picture: 8 (the default) or 16 (half floats).
        ort: with ONNX, also write ``.ort`` files for ONNX Runtime on phones.
        dynamic_batch: ONNX graphs that take any number of tiles at once, for servers; vitmatte.
        cascade: for a net that needs a trimap: ``lightweight`` puts that net's segmentation into
            the bundle, which then finds the trimap where none is given.
        band_px: of the cascade: how far its unknown region grows, pixels of the full picture.
        calibration: pictures for INT8, like those of the app: a folder, or an iterable of uint8
            (H, W, 3); by default a few made of formulas.
        calibration_limit: most of them that are taken; 32 by default.
        range_method: INT8: how ranges of activations are chosen: minmax, percentile or entropy; by
            default percentile, and for openvino the mean of the pictures' extremes.
        budget: INT8: largest mean absolute alpha error over the unknown band, against PyTorch;
            0.01 by default.
        picture: uint8 (H, W, 3) to check with; by default a picture made of formulas.
        progress: called at each stage, and at each step of the long ones.

    Raises:
        OptionError: an option that this model or target does not have, or an output that is
            taken, or that another run is writing.
        CheckpointError: weights that do not fit.
        ToleranceError: outside the tolerance; nothing is written.
        ExportError: the graph cannot be captured or converted.
    """
    name = model if isinstance(model, str) else family_of(model).name
    asked = {"opset": opset, "min_ios": min_ios, "io": io, "alpha_bits": alpha_bits}
    asked |= {"ort": ort, "dynamic_batch": dynamic_batch}
    options = options_for(target, precision, asked)
    request = resolve(
        family(name),
        target,
        options,
        frames_for(family(name), size, sizes, padding, picture, options.precision),
        graphs,
        {
            "patch": patch,
            "regions": regions,
            "overlap": overlap,
            "lattice": lattice,
            "context": context,
        },
        Path(output) if output else None,
    )
    quantizing: dict[str, object] = {
        "calibration": calibration,
        "calibration_limit": calibration_limit,
    }
    quantizing |= {"range_method": range_method, "budget": budget}
    check_quantizing(target, request.options.precision, quantizing)
    drawn = random_weights or request.options.precision not in FLOATS
    check_weights(model, weights, config, seed, random_weights=random_weights, drawn=drawn)
    stage = stage_for(request.family, cascade, band_px)
    destination.refuse(request.output, force=force)
    writer = target_module(target)
    if isinstance(model, nn.Module):
        network, source = module_weights(model)
    elif random_weights:
        network, source = random_model(request.family, config or {}, seed or 0)
    else:
        network, source = load_model(request.family, Path(weights) if weights else None)
    if not random_weights:
        progress(f"weights: {source.source}")
    cut = importlib.import_module(request.family.cut_module)
    host = request.frames.host(cut, request.cut, request.sizes)
    if hasattr(cut, "complete"):
        host = cut.complete(host, network)
    sources = sized_graphs(cut, network, host)
    if dynamic_batch:
        sources = [replace(s, graph=replace(s.graph, dynamic_batch=True)) for s in sources]
    if stage is not None:
        sources = [*sources, stage_graph(stage)]
    progress("capturing the graphs")
    passes = passes_for(target, request.options.precision, phone=request.options.ort)
    captures = [capture(s, passes) for s in sources]
    stated = dataclasses.asdict(request.options)
    manifest = Manifest(
        FORMAT,
        name,
        target,
        request.options.precision,
        config_of(network),
        host,
        tuple(c.graph for c in captures),
        source,
        {**writer.tools(), "edgematte": version("edgematte")},
        {k: str(v) for k, v in stated.items() if k in OPTIONS_OF[target]},
        trimap_stage=stage,
    )
    trimap = None
    if picture is None:
        picture = testcard(*CHECK_PICTURE)
        if request.family.needs_trimap and stage is None:
            trimap = testcard_trimap(*CHECK_PICTURE)
    replaceable = destination.refuse_all_but_bundle if force else None
    with atomic_folder(request.output, replaceable=replaceable) as folder:
        progress(f"writing {target} {request.options.precision}")
        embedded = manifest.embedded()
        if request.options.precision in FLOATS:
            written = tuple(
                writer.save(
                    writer.build(c, request.options), c.graph, folder, embedded, request.options
                )
                for c in captures
            )
            if request.frames.sizes[1:] and hasattr(writer, "share"):
                writer.share(folder, written)
            manifest = replace(manifest, graphs=written)
        else:
            from edgematte.calibration.quantize import Calibration, write_quantized

            own = Calibration()
            chosen = Calibration(
                calibration,
                own.limit if calibration_limit is None else calibration_limit,
                own.budget if budget is None else budget,
                seed or 0,
                range_method,
            )
            written, ladder = write_quantized(
                request,
                writer,
                captures,
                sources,
                manifest,
                folder,
                chosen,
                force=force,
                progress=progress,
            )
            manifest = replace(manifest, graphs=written, budget=chosen.budget, ladder=ladder)
        progress("recording what PyTorch computes")
        goldens, faithful = record(
            request.family, network, sources, host, picture, trimap=trimap, stage=stage
        )
        save(goldens, folder)
        progress("checking against PyTorch")
        bundle, accuracy = _check(folder, manifest, faithful)
        _refuse_outside(accuracy, force)
        sections = _sections(bundle, goldens, cut, network)
        write_report(folder, manifest, accuracy, goldens, sections)
        _seal(folder, replace(manifest, accuracy=accuracy))
    return open_bundle(request.output)


CHECK_PICTURE = (352, 224)
"""Width and height of the check's picture: two patches of the split cut, and a reduction."""


def _check(folder: Path, manifest: Manifest, faithful: Difference) -> tuple[Bundle, Accuracy]:
    bundle = Bundle(folder, manifest)
    measured = check_bundle(bundle, check_engines(manifest))  # with the records as written
    return bundle, replace(measured, differences=(faithful, *measured.differences))


def _refuse_outside(accuracy: Accuracy, force: bool) -> None:
    outside = [d for d in accuracy.differences if not d.ok]
    if outside and not force:
        d = max(outside, key=lambda d: d.max_abs)
        raise ToleranceError(
            f"outside the tolerance against PyTorch: {d.where} on {d.engine} differs by "
            f"{d.max_abs:.1e} at most and {d.mean_abs:.1e} on average (allowed "
            f"{d.tolerance_max:.0e} and {d.tolerance_mean:.0e}); nothing was written, "
            "--force writes it all the same"
        )


def _seal(folder: Path, manifest: Manifest) -> None:
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    files = {p.relative_to(folder).as_posix(): sha256_file(p) for p in paths}
    text = replace(manifest, files=files).to_json()
    (folder / FILE).write_text(text, encoding="utf-8")


def _sections(bundle: Bundle, goldens: Goldens, cut: ModuleType, network: nn.Module) -> list[str]:
    """Markdown lines of what needs the target's engine: speed, and what the cut adds."""
    try:
        matter = matter_from(bundle, engine_for(bundle.manifest.target))
    except EngineError as error:
        return ["## Speed", "", f"Not measured here: {error}.", ""]
    picture = goldens.picture
    needs_one = family(bundle.manifest.model).needs_trimap
    trimap = goldens.trimap if needs_one and not bundle.manifest.trimap_stage else None
    runs = [matter(picture, trimap).timings for _ in range(6)][1:]
    size = f"{picture.shape[1]}x{picture.shape[0]}"
    lines = ["## Speed", "", f"Engine {matter.engine}, picture {size}, 5 runs.", ""]
    lines += ["| stage | median ms |", "|---|---|"]
    for stage in runs[0]:
        lines.append(f"| {stage} | {1000 * statistics.median(r[stage] for r in runs):.1f} |")
    if hasattr(cut, "report"):
        own = cut.report(network, bundle.manifest.host, matter, picture, goldens.trimap)
        lines += ["", *own]
    return [*lines, ""]
