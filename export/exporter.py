"""The export, stage by stage: plan, network, captures, written, recorded, checked, sealed."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edgematte.arrays import Floats
from edgematte.atomic import atomic_folder
from edgematte.calibration.feeds import picture_feeds
from edgematte.card import Card
from edgematte.check.engines import check_engines
from edgematte.check.goldens import save
from edgematte.check.run import check_bundle
from edgematte.checkpoint import config_of
from edgematte.errors import OptionError
from edgematte.export import destination
from edgematte.export.capture import Capture, TorchGraph, capture
from edgematte.export.frames import sized_graphs
from edgematte.export.imported_stage import ImportedStage, is_path
from edgematte.export.int8 import Int8, int8_of
from edgematte.export.lint.captured import seen_in_capture
from edgematte.export.lint.lint import linted
from edgematte.export.lint.seen import Seen
from edgematte.export.plan import Plan, plan
from edgematte.export.record import record
from edgematte.export.report import write_report
from edgematte.export.seal import refuse_outside, sealed
from edgematte.export.sections import sections
from edgematte.export.targets import Writer, passes_of, writer_of
from edgematte.export.torch_graph import torch_calls
from edgematte.export.weights_from import WeightsFrom, variant_of
from edgematte.host import Host
from edgematte.manifest import FORMAT, Accuracy, Difference, Manifest, Weights
from edgematte.net import OWN, Variant, load_part
from edgematte.nets import find, plug_in
from edgematte.progress import Progress, silent
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.runtime.proof.goldens import Goldens
from edgematte.testcard import testcard, testcard_trimap

CHECK_PICTURE = (352, 224)
"""Width and height of the check's picture: the split cut needs two patches, and must reduce it."""


def export(
    model: str | nn.Module,
    *,
    target: str,
    precision: str | None = None,
    size: int | tuple[int, int] | str | None = None,
    sizes: Sequence[tuple[int, int]] | None = None,
    padding: str | None = None,
    cut: str | None = None,
    graphs: str | None = None,
    weights: WeightsFrom | Path | str | None = None,
    random_weights: bool = False,
    seed: int | None = None,
    config: dict[str, int] | None = None,
    output: Path | str | None = None,
    force: bool = False,
    cascade: str | None = None,
    band_px: int | None = None,
    unknown_threshold: float | None = None,
    int8: Int8 | None = None,
    calibration: Path | str | Iterable[NDArray[np.uint8]] | None = None,
    calibration_limit: int | None = None,
    range_method: str | None = None,
    budget: float | None = None,
    picture: NDArray[np.uint8] | None = None,
    license: str | None = None,
    attribution: str | None = None,
    plugins: Iterable[str] = (),
    progress: Progress = silent,
    **options: Any,
) -> Bundle:
    """Export one model to one target, checked against PyTorch.

    An option that has no meaning for the model, target or precision is refused, not ignored.

    Args:
        model: the name of a model, or a trained module of a net's class, which is not changed.
        target: onnx, openvino, coreml or litert.
        precision: fp32, fp16, int8 (weights and activations), int8-weights, w8a16 (16-bit
            activations, for targets whose engines have them), or int4-palette
            (coreml); by default fp32, and fp16 for coreml.
        size: side, or (width, height), of the picture that the whole-picture graph sees; 512 by
            default. ``"picture"``, for nets that pad, is the size of ``picture``, padded.
        sizes: several (width, height) instead, for nets that pad: the bundle has graphs of each
            size, and a picture gets the smallest that holds it.
        padding: how nets that pad raise sides to multiples: ``minimal`` (the default) raises each
            side to the next multiple; ``authors`` raises both sides, if either is no multiple, as
            the published code does.
        cut: the kind of cut, which says how the net is cut into graphs; by default its first.
        graphs: another name of ``cut``.
        weights: a checkpoint, ``hf:OWNER/NAME``, or a :class:`WeightsFrom`; by default the weights
            that ship with edgematte.
        random_weights: seeded random weights instead, for trying the tool chain.
        seed: of the random weights, and of the choice of calibration pictures; 0 by default.
        config: constructor options of a model with random weights.
        output: folder of the bundle; by default MODEL-TARGET-PRECISION.edgematte.
        force: replace a bundle that exists (nothing else, and only once the new one is whole),
            and write one that is outside its tolerance.
        cascade: for a net that needs a trimap: the net whose segmentation goes into the bundle as
            its trimap stage, which estimates a trimap where none is given; or the path of an
            imported bundle, whose graph does.
        band_px: for ``cascade``: how far the unknown region grows, in pixels of the full picture;
            by default 4, and for an imported net as far as its mask needs.
        unknown_threshold: for ``cascade``, the name of a net: its P(unknown) from which a pixel is
            unknown; by default 0.1, since a larger net cannot mend what is known and wrong.
        int8: how INT8 is calibrated and how good it must be; instead of the next four.
        calibration: pictures for INT8, like those of the app: a folder, or an iterable of uint8
            (H, W, 3); by default a few pictures made of formulas. For fp16, too: the lint measures
            on them which values half precision does not hold; by default on the check's picture.
        calibration_limit: how many of them are taken at most; by default 32.
        range_method: how INT8 chooses ranges of activations: minmax, percentile or entropy; by
            default percentile, and for openvino the mean of the pictures' extremes.
        budget: INT8's largest mean absolute alpha error over the unknown band, against PyTorch; by
            default 0.01.
        picture: uint8 (H, W, 3) to check with; by default a picture made of formulas.
        license: of the weights, an SPDX expression such as MIT, where their card lacks it.
        attribution: the text that users of the weights have to show, where their card lacks it.
        plugins: modules that bring nets of their own and are not installed as packages.
        progress: called at each stage, and at each step of the long ones.
        **options: of the target and of the net's graphs, as `edgematte export --help` lists them:
            ``opset=20``, ``min_ios=17``, ``patch=256``.

    Raises:
        OptionError: an option that this model or target does not have, or an output that exists or
            that another run is writing.
        CheckpointError: weights that do not fit.
        ToleranceError: the export is outside its tolerance; nothing is written.
        ExportError: the graph cannot be captured or converted.
    """
    plug_in(plugins)
    if cut is not None and graphs is not None and cut != graphs:
        raise OptionError("cut and graphs are two names of one option: give one")
    source = _source(model, weights, random_weights, seed, config)
    asked = plan(
        variant_of(model) if isinstance(model, nn.Module) else find(model),
        target,
        precision,
        size=size,
        sizes=sizes,
        padding=padding,
        cut=cut or graphs,
        cascade=None if cascade is None else _cascade(cascade, band_px),
        band_px=band_px,
        unknown_threshold=unknown_threshold,
        output=Path(output) if output else None,
        picture=picture,
        given=options,
    )
    if seed is not None and not (source.random or asked.quantized):
        raise OptionError(
            "seed is of random weights and of calibration pictures: nothing is drawn here"
        )
    calibrated = int8_of(
        asked.target,
        asked.options.precision,
        int8,
        calibration=calibration,
        limit=calibration_limit,
        budget=budget,
        method=range_method,
        seed=seed,
    )
    destination.refuse(asked.output, force=force)
    writer = writer_of(asked.target)
    network, origin = source.network(asked.variant)
    if license is not None or attribution is not None:
        card = (origin.card or Card()).completed(license, attribution)
        origin = replace(origin, card=card)
    if not source.random:
        progress(f"weights: {origin.source}")
    made = _cut(asked, network, origin)
    progress("capturing the graphs")
    made = replace(made, captures=_captured(asked, made))
    replaceable = destination.refuse_all_but_bundle if force else None
    with atomic_folder(asked.output, replaceable=replaceable) as folder:
        manifest = _written(asked, made, writer, folder, calibrated, force, progress)
        progress("recording what PyTorch computes")
        goldens, faithful = _recorded(asked, made, picture)
        save(goldens, folder)
        progress("checking against PyTorch")
        accuracy = _checked(folder, manifest, faithful)
        refuse_outside(accuracy, force, "PyTorch")
        progress("looking for what other devices get wrong")
        seen = _seen(asked, made, goldens, calibrated, progress)
        manifest = replace(manifest, lint=linted(folder, manifest, seen))
        added = sections(Bundle(folder, manifest), goldens, made.cut, network)
        write_report(folder, manifest, accuracy, goldens, added)
        sealed(folder, replace(manifest, accuracy=accuracy))
    return open_bundle(asked.output)


@dataclass(frozen=True)
class Made:
    """A network cut into graphs."""

    network: nn.Module
    weights: Weights
    cut: Any
    host: Host
    stage: Host | None
    stage_weights: Weights | None
    graphs: list[TorchGraph]
    captures: tuple[Capture, ...] = ()


def _cascade(cascade: str, band_px: int | None) -> Variant | ImportedStage:
    """What estimates trimaps: a net by its name, or an imported bundle by its path."""
    return ImportedStage.of(cascade, band_px) if is_path(cascade) else find(cascade)


def _source(
    model: str | nn.Module,
    weights: WeightsFrom | Path | str | None,
    random: bool,
    seed: int | None,
    config: dict[str, int] | None,
) -> WeightsFrom:
    module = model if isinstance(model, nn.Module) else None
    if isinstance(weights, WeightsFrom):
        if random or config is not None or module is not None:
            raise OptionError("weights says where the network comes from already: leave out more")
        return weights
    return WeightsFrom(weights, random, seed or 0, config, module)


def _cut(asked: Plan, network: nn.Module, origin: Weights) -> Made:
    """The graphs of the plan's cut, and the graph of the trimap stage where there is one."""
    cut = asked.cut
    host = asked.frames.host(cut, asked.kind, asked.sizes, network)
    graphs = sized_graphs(cut, network, host)
    if getattr(asked.options, "dynamic_batch", False):
        graphs = [replace(g, graph=replace(g.graph, dynamic_batch=True)) for g in graphs]
    stage: Host | None = None
    first: Weights | None = None
    if isinstance(asked.cascade, ImportedStage):
        stage, first = asked.cascade.host, asked.cascade.weights
    elif asked.cascade is not None:
        stage, graph, first = load_part(asked.cascade.net.stage)(asked.cascade, asked.band_px)
        if asked.unknown_threshold is not None:
            stage = replace(stage, unknown_threshold=asked.unknown_threshold)
        graphs = [*graphs, graph]
    return Made(network, origin, cut, host, stage, first, graphs)


def _captured(asked: Plan, made: Made) -> tuple[Capture, ...]:
    passes = passes_of(asked.target, asked.options)
    return tuple(capture(graph, passes) for graph in made.graphs)


def _written(
    asked: Plan,
    made: Made,
    writer: Writer,
    folder: Path,
    int8: Int8,
    force: bool,
    progress: Progress,
) -> Manifest:
    """Write the graphs' files and return the manifest that declares them."""
    options, net = asked.options, asked.variant.net
    own = net.package == OWN
    told = {k: str(v) for k, v in dataclasses.asdict(options).items() if k != "precision"}
    manifest = Manifest(
        FORMAT,
        asked.variant.name,
        asked.target.name,
        options.precision,
        config_of(made.network),
        made.host,
        tuple(c.graph for c in made.captures),
        made.weights,
        {**writer.tools(), "edgematte": version("edgematte")},
        told,
        trimap_stage=made.stage,
        stage_weights=made.stage_weights,
        package="" if own else _distribution(net.package),
    )
    progress(f"writing {asked.target.name} {options.precision}")
    if asked.quantized:
        from edgematte.calibration.captured import CapturedGraph
        from edgematte.calibration.quantize import write_quantized

        files, ladder = write_quantized(
            asked.variant,
            asked.target,
            [CapturedGraph(one, writer, options) for one in made.captures],
            list(torch_calls(made.graphs).values()),
            manifest,
            folder,
            int8,
            force=force,
            progress=progress,
        )
        return replace(manifest, graphs=files, budget=int8.budget, ladder=ladder)
    embedded = manifest.embedded()
    files = tuple(
        writer.save(writer.build(c, options), c.graph, folder, embedded, options)
        for c in made.captures
    )
    if len(asked.frames.sizes) > 1:
        writer.share(folder, files)
    if isinstance(asked.cascade, ImportedStage):
        files = (*files, asked.cascade.write(folder))
    return replace(manifest, graphs=files)


def _distribution(package: str) -> str:
    """``NAME VERSION`` of an installed package; the name alone of a plug-in that is not one."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def _recorded(
    asked: Plan, made: Made, picture: NDArray[np.uint8] | None
) -> tuple[Goldens, Difference]:
    """Golden records of the check's picture, and how far the cut is from the training forward."""
    trimap = None
    if picture is None:
        picture = testcard(*CHECK_PICTURE)
        if asked.variant.net.needs_trimap and made.stage is None:
            trimap = testcard_trimap(*CHECK_PICTURE)
    return record(
        asked.variant,
        made.network,
        made.graphs,
        made.host,
        picture,
        trimap=trimap,
        stage=made.stage,
        imported=asked.cascade.call() if isinstance(asked.cascade, ImportedStage) else None,
    )


def _seen(
    asked: Plan, made: Made, goldens: Goldens, calibrated: Int8, progress: Progress
) -> dict[str, Seen]:
    """What the captures compute on their golden calls and, for fp16, on calibration pictures."""
    inputs: dict[str, list[Mapping[str, Floats]]] = {
        c.graph.name: [goldens.graphs[c.graph.name].inputs] for c in made.captures
    }
    if asked.options.precision == "fp16" and calibrated.pictures is not None:
        references = list(torch_calls(made.graphs).values())
        host, variant = made.host, asked.variant
        feeds = picture_feeds(variant, host, references, calibrated, made.stage, progress)
        inputs = {name: [*first, *feeds.get(name, ())] for name, first in inputs.items()}
    return {c.graph.name: seen_in_capture(c, inputs[c.graph.name]) for c in made.captures}


def _checked(folder: Path, manifest: Manifest, faithful: Difference) -> Accuracy:
    measured = check_bundle(Bundle(folder, manifest), check_engines(manifest))  # the new files
    return replace(measured, differences=(faithful, *measured.differences))
