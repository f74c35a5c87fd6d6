"""An ONNX file as a bundle, stage by stage: read, probed, written, recorded, checked, sealed."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.atomic import atomic_folder
from edgematte.builtin import FOREIGN
from edgematte.card import Card, card_of
from edgematte.check.engines import check_engines
from edgematte.check.goldens import save
from edgematte.check.run import check_bundle
from edgematte.errors import OptionError
from edgematte.export import destination
from edgematte.export.foreign.arithmetic import arithmetic_of
from edgematte.export.foreign.beside import Beside
from edgematte.export.foreign.files import (
    GRAPHS,
    TOOLS,
    OnnxGraph,
    OpenVinoGraph,
    raised,
    refuse_target,
)
from edgematte.export.foreign.options import KINDS, Given
from edgematte.export.foreign.original import Original
from edgematte.export.foreign.presets import filled, preset_of
from edgematte.export.foreign.probe import section_of, warnings_of
from edgematte.export.foreign.record import record
from edgematte.export.foreign.static import opset
from edgematte.export.foreign.understood import Understood, understood
from edgematte.export.int8 import Int8, int8_of
from edgematte.export.lint.lint import linted
from edgematte.export.lint.model import seen_in_model
from edgematte.export.lint.seen import Seen
from edgematte.export.lint.values import in_half
from edgematte.export.report import write_report
from edgematte.export.seal import refuse_outside, sealed
from edgematte.export.speed import speed
from edgematte.host import Size
from edgematte.manifest import FORMAT, Manifest, Weights
from edgematte.progress import Progress, silent
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.targets import FLOATS, WIDE, find_target
from edgematte.testcard import testcard

CHECK_PICTURE = (352, 224)  # width, height


def import_onnx(
    model: Path | str,
    *,
    output: Path | str,
    kind: str | None = None,
    preset: str | None = None,
    target: str = "onnx",
    precision: str | None = None,
    size: int | Size | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float | None = None,
    channel_order: str | None = None,
    output_name: str | None = None,
    class_index: int | None = None,
    activation: str | None = None,
    invert: bool | None = None,
    states: Mapping[str, str] | None = None,
    constants: Mapping[str, float] | None = None,
    int8: Int8 | None = None,
    calibration: Path | str | Iterable[NDArray[np.uint8]] | None = None,
    calibration_limit: int | None = None,
    range_method: str | None = None,
    budget: float | None = None,
    seed: int | None = None,
    picture: NDArray[np.uint8] | None = None,
    license: str | None = None,
    attribution: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> tuple[Bundle, list[str]]:
    """Make a bundle of a net that came as an ONNX file, checked against that file.

    The file should take one picture, (1, 3, H, W) or (1, H, W, 3), and give a map of it; beside it
    it may take states and constants. A byte of
    the picture becomes ``(byte * scale - mean) / std``. No torch is needed: the reference is the
    file itself, in fp32 on ONNX Runtime.

    Args:
        model: the ONNX file.
        output: folder of the bundle.
        kind: ``matte`` for a net whose soft edges are what it saw; ``mask`` for a segmenter, around
            whose edges a band is unknown. It is needed without a preset.
        preset: how a well-known net is used, see :mod:`edgematte.export.foreign.presets`; options
            that are given win.
        target: onnx or openvino.
        precision: fp32 (the default), fp16, int8 (weights and activations), int8-weights,
            or w8a16 (onnx: 16-bit activations).
        size: side, or (width, height), for a file whose input has open sides.
        mean: one number, or one for each of the graph's channels; 0 if only others are given.
        std: as ``mean``; 1 if only others are given.
        scale: of bytes; 1/255 if only others are given.
        channel_order: RGB (the default) or BGR.
        output_name: the output that is the matte, where there are several.
        class_index: the channel of the output that is the subject, where there are several.
        activation: what makes the output values in [0, 1]: none (the default), sigmoid, softmax
            over the channels, or min-max of each picture.
        invert: the output is of the background.
        states: of a recurrent net: names of inputs, each with the output that it is at the next
            frame of a clip; at the first frame, and for a picture alone, they are zeros.
        constants: names of further inputs, each with the one number that it is held at.
        int8: how INT8 is calibrated and how good it must be; instead of the next four and ``seed``.
        calibration: pictures for INT8, as for :func:`edgematte.export.export`; so are the next.
        calibration_limit: how many of them are taken at most; by default 32.
        range_method: how INT8 chooses ranges of activations: minmax, percentile or entropy.
        budget: INT8's largest mean absolute alpha error over the unknown band, against the file; by
            default 0.01.
        seed: of the choice of calibration pictures; 0 by default.
        picture: uint8 (H, W, 3) to check with; by default a picture made of formulas.
        license: of the file, an SPDX expression such as Apache-2.0, where its card lacks it: a card
            is ``NAME.weights.json`` or ``weights.json`` beside the file.
        attribution: the text that users of the file have to show, where its card lacks it.
        force: replace a bundle that exists, and write one that is outside its tolerance.
        progress: called at each stage.

    Returns:
        The bundle, and sentences on what looks wrong when the net sees a test card.

    Raises:
        OnnxFileError: a file that cannot be imported; the message says why.
        OptionError: an option that is needed or that has no meaning here, or an output that exists.
        CheckpointError: a card that is none, or of another file.
        ToleranceError: the bundle is outside its tolerance; nothing is written.
    """
    path, place = Path(model), Path(output)
    known = None if preset is None else preset_of(preset)
    kind = known.kind if kind is None and known is not None else kind
    if kind is None:
        raise OptionError(
            "kind is needed: matte for a net whose soft edges are what it saw, mask for a segmenter"
        )
    if kind not in KINDS:
        raise OptionError(f"kind {kind!r}: there are: {', '.join(KINDS)}")
    precision = refuse_target(target, precision)
    quantized = precision not in FLOATS
    if seed is not None and not quantized:
        raise OptionError("seed is of calibration pictures: nothing is drawn here")
    calibrated = int8_of(
        find_target(target), precision, int8, calibration=calibration, limit=calibration_limit,
        budget=budget, method=range_method, seed=seed,
    )  # fmt: skip
    sides = (size, size) if isinstance(size, int) else size
    given = Given(
        sides,
        mean,
        std,
        scale,
        channel_order,
        output_name,
        class_index,
        activation,
        invert,
        states,
        constants,
    )
    usual = None
    if known is not None:
        given, usual = filled(given, known), known.given.size
    destination.refuse(place, force=force)
    net = understood(path, kind, given, usual, progress)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = card_of(path, digest)
    if license is not None or attribution is not None:
        card = (card or Card()).completed(license, attribution)
    host, original = net.host, net.original
    if host.states and precision in ("int8", WIDE):
        raise OptionError(
            f"precision {precision}: a recurrent net is calibrated on clips, and calibration "
            "pictures are no clips: its states would have no ranges; take int8-weights or fp16"
        )
    warnings = warnings_of(host, net.answer, net.model)
    if precision not in FLOATS:
        net = replace(net, model=raised(net.model))
    arithmetic = arithmetic_of(net, target)
    graph = replace(net.graph, precise=arithmetic.precise)
    original.declared = graph
    source = GRAPHS[target](graph, net.model, precision, arithmetic.kept)
    manifest = Manifest(
        FORMAT,
        FOREIGN.name,
        target,
        precision,
        {},
        host,
        (graph,),
        Weights(path.name, digest, card),
        {name: version(name) for name in (*TOOLS[target], "edgematte")},
        {
            "opset": opset(net.model),
            **({} if preset is None else {"preset": preset}),
            **_told(original.beside),
        },
    )
    replaceable = destination.refuse_all_but_bundle if force else None
    with atomic_folder(place, replaceable=replaceable) as folder:
        progress(f"writing {target} {precision}")
        manifest = _written(source, original, manifest, folder, calibrated, force, progress)
        progress("recording what the file computes")
        pixels = testcard(*CHECK_PICTURE) if picture is None else picture
        goldens = record(FOREIGN.variant(FOREIGN.name), host, graph, original, pixels)
        save(goldens, folder)
        progress("checking against the file")
        accuracy = check_bundle(Bundle(folder, manifest), check_engines(manifest))
        refuse_outside(accuracy, force, FOREIGN.reference)
        progress("looking for what other devices get wrong")
        seen = _seen(net, manifest, goldens.graphs[graph.name].inputs, calibrated, progress)
        manifest = replace(manifest, lint=linted(folder, manifest, seen))
        _, added = speed(Bundle(folder, manifest), goldens)
        added = [*arithmetic.section(precision), *section_of(warnings), *added]
        write_report(folder, replace(manifest, accuracy=accuracy), accuracy, goldens, added)
        sealed(folder, replace(manifest, accuracy=accuracy))
    return open_bundle(place), warnings


def _seen(
    net: Understood,
    manifest: Manifest,
    inputs: Mapping[str, Floats],
    calibrated: Int8,
    progress: Progress,
) -> dict[str, Seen]:
    """What the graph computes on its golden call and, for fp16, on calibration pictures."""
    (graph,) = manifest.graphs
    given: list[Mapping[str, Floats]] = [inputs]
    if manifest.precision == "fp16" and calibrated.pictures is not None:
        from edgematte.calibration.feeds import picture_feeds

        variant = FOREIGN.variant(FOREIGN.name)
        feeds = picture_feeds(variant, net.host, [net.original], calibrated, progress=progress)
        given += feeds[graph.name]
    inside = bool(in_half(manifest))
    return {graph.name: seen_in_model(net.model, net.graph, net.original, given, inside=inside)}


def _written(
    source: OnnxGraph | OpenVinoGraph,
    original: Original,
    manifest: Manifest,
    folder: Path,
    int8: Int8,
    force: bool,
    progress: Progress,
) -> Manifest:
    """Write the graph's file and return the manifest that declares it."""
    if manifest.precision in FLOATS:
        written = source.save(source.build(), folder, manifest.embedded())
        return replace(manifest, graphs=(written,))
    from edgematte.calibration.quantize import write_quantized

    files, ladder = write_quantized(
        FOREIGN.variant(FOREIGN.name),
        find_target(manifest.target),
        [source],
        [original],
        manifest,
        folder,
        int8,
        force=force,
        progress=progress,
    )
    return replace(manifest, graphs=files, budget=int8.budget, ladder=ladder)


def _told(beside: Beside) -> dict[str, str]:
    held = ", ".join(f"{name} {value.item():.9g}" for name, value in beside.held.items())
    return {"constants": held} if held else {}
