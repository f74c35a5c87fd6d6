"""An ONNX file as a bundle, stage by stage: read, probed, written, recorded, checked, sealed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edgematte.atomic import atomic_folder
from edgematte.builtin import FOREIGN
from edgematte.check.engines import check_engines
from edgematte.check.goldens import save
from edgematte.check.run import check_bundle
from edgematte.errors import OptionError
from edgematte.export import destination
from edgematte.export.foreign.beside import Beside, check_held, held_of, states_of
from edgematte.export.foreign.file import check_valid, read_onnx
from edgematte.export.foreign.graph import (
    declared,
    entrance_of,
    host_of,
    multiply_adds,
    opset,
    output_of,
    states_at,
    static_graph,
)
from edgematte.export.foreign.options import KINDS, Given
from edgematte.export.foreign.original import Original, state_shapes
from edgematte.export.foreign.presets import filled, preset_of
from edgematte.export.foreign.probe import warnings_of
from edgematte.export.foreign.record import record
from edgematte.export.report import write_report
from edgematte.export.seal import refuse_outside, sealed
from edgematte.export.speed import speed
from edgematte.host import Size
from edgematte.manifest import FORMAT, Manifest, Weights
from edgematte.progress import Progress, silent
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.runtime.engines.graph import to_file
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.nets.foreign.host import ForeignHost
from edgematte.runtime.nets.foreign.pipeline import laid_out, normalised
from edgematte.testcard import testcard

CHECK_PICTURE = (352, 224)  # width, height
TOOLS = ("onnx", "onnxruntime", "onnxsim", "edgematte")


def import_onnx(
    model: Path | str,
    *,
    output: Path | str,
    kind: str | None = None,
    preset: str | None = None,
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
    picture: NDArray[np.uint8] | None = None,
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
        picture: uint8 (H, W, 3) to check with; by default a picture made of formulas.
        force: replace a bundle that exists, and write one that is outside its tolerance.
        progress: called at each stage.

    Returns:
        The bundle, and sentences on what looks wrong when the net sees a test card.

    Raises:
        OnnxFileError: a file that cannot be imported; the message says why.
        OptionError: an option that is needed or that has no meaning here, or an output that exists.
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
    progress(f"reading {path.name}")
    file = read_onnx(path)
    own, numbers = states_of(path, file, given.states or {}), given.held or {}
    check_held(path, file, numbers)
    entrance = entrance_of(path, file, given.size, usual, {*(given.states or {}), *numbers})
    beside = Beside(own, held_of(file, numbers, entrance.size))
    answer = output_of(path, file, given)
    check_valid(path, file)
    scaled = given.normalisation[0]  # asked for before the file is run
    progress("running the file on a test card")
    original = Original(path, entrance.name, answer, beside)
    middle = np.full(entrance.shape, 127 * scaled, np.float32)
    shape = original.run(middle).shape
    host = host_of(path, kind, entrance, shape, given)
    host = replace(host, states=states_at(state_shapes(original, middle)))
    graph = declared(host, entrance, shape, own)
    made = static_graph(file, entrance, answer, graph, beside)
    graph = replace(graph, macs=multiply_adds(made))
    original.declared = graph
    warnings = warnings_of(host, _on_testcard(host, original), made)
    manifest = Manifest(
        FORMAT,
        FOREIGN.name,
        "onnx",
        "fp32",
        {},
        host,
        (graph,),
        Weights(path.name, hashlib.sha256(path.read_bytes()).hexdigest()),
        {name: version(name) for name in TOOLS},
        {
            "opset": opset(made),
            **({} if preset is None else {"preset": preset}),
            **_told(beside),
        },
    )
    replaceable = destination.refuse_all_but_bundle if force else None
    with atomic_folder(place, replaceable=replaceable) as folder:
        progress("writing onnx fp32")
        _write(made, manifest, folder / graph.file)
        progress("recording what the file computes")
        shown = testcard(*CHECK_PICTURE) if picture is None else picture
        goldens = record(FOREIGN.variant(FOREIGN.name), host, graph, original, shown)
        save(goldens, folder)
        progress("checking against the file")
        accuracy = check_bundle(Bundle(folder, manifest), check_engines(manifest))
        refuse_outside(accuracy, force, FOREIGN.reference)
        _, added = speed(Bundle(folder, manifest), goldens)
        added = [*_looks_wrong(warnings), *added]
        write_report(folder, replace(manifest, accuracy=accuracy), accuracy, goldens, added)
        sealed(folder, replace(manifest, accuracy=accuracy))
    return open_bundle(place), warnings


def _on_testcard(host: ForeignHost, original: Original) -> NDArray[np.float32]:
    card = testcard(*host.size)
    planes = normalised(host, resize_picture(card, host.size))
    assert original.declared is not None
    return original.run(to_file(laid_out(host, planes), original.declared.inputs[0]))


def _write(model: onnx.ModelProto, manifest: Manifest, file: Path) -> None:
    entry = model.metadata_props.add()
    entry.key, entry.value = "edgematte", manifest.embedded()
    onnx.checker.check_model(model, full_check=True)
    file.write_bytes(model.SerializeToString(deterministic=True))


def _told(beside: Beside) -> dict[str, str]:
    held = ", ".join(f"{name} {value.item():.9g}" for name, value in beside.held.items())
    return {"constants": held} if held else {}


def _looks_wrong(warnings: Sequence[str]) -> list[str]:
    """The section of REPORT.md on what the probe found."""
    if not warnings:
        return []
    return ["## What looked wrong on the test card", "", *(f"- {one}" for one in warnings), ""]
