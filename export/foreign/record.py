"""Golden records of an imported bundle, made by the file itself."""

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.check.clips import frames_of
from edgematte.check.goldens import stride_for, to_bytes
from edgematte.export.foreign.graph import ALPHA, PIXELS
from edgematte.export.foreign.original import Original, in_planes
from edgematte.manifest import Graph
from edgematte.net import Variant, load_part
from edgematte.runtime.engines.graph import to_file
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.steps import Arrays, recorded, steps_of
from edgematte.runtime.nets.foreign.host import ForeignHost
from edgematte.runtime.nets.foreign.pipeline import (
    enlarged,
    first_states,
    laid_out,
    normalised,
    subject_share,
)
from edgematte.runtime.pipeline import pipeline_for
from edgematte.runtime.proof.goldens import Goldens, GraphRecord, from_bytes


def record(
    variant: Variant, host: ForeignHost, graph: Graph, original: Original, picture: Bytes
) -> Goldens:
    """What the host steps and the file give for a picture (H, W, 3).

    A recurrent net is recorded on a clip, too: the file is run frame after frame as its authors'
    code runs it, and its graph is recorded with the states that the last frame but one left.

    Raises:
        OnnxFileError: the file fails, or gives values that are not finite.
    """
    alpha, trimap = pipeline_for(variant, host, {graph.name: original})(picture, None, Clock())
    pixels, states, clip = _pixels(host, picture), original.start(), None
    if host.states:
        clip, pixels, states = _clip(host, graph, original, picture)
    zeros = first_states(host)
    given = {name: value for name, value in zip(zeros, states, strict=True) if value.any()}
    inputs = {PIXELS: _recordable(host, pixels), **zeros}
    inputs |= {name: value.astype(np.float16).astype(np.float32) for name, value in given.items()}
    outputs = original(**inputs)
    answer = outputs[ALPHA]
    stride = stride_for(answer.shape)
    records = GraphRecord(inputs, {}, stride)
    for name, value in outputs.items():
        records.outputs[name] = np.ascontiguousarray(records.sample(value))
    pool: Arrays = {
        "picture": picture,
        "size": np.array(picture.shape[1::-1], np.int32),
        "answer": answer.astype(np.float16),
    }
    pool = recorded(steps_of(load_part(variant.net.steps), host), host, pool)
    return Goldens({graph.name: records}, pool, picture, trimap, alpha, clip=clip)


def _clip(
    host: ForeignHost, graph: Graph, original: Original, picture: Bytes
) -> tuple[Floats, Floats, list[Floats]]:
    """Alphas of a clip's frames (n, H, W); the pixels of the last frame, and the states it took."""
    size = picture.shape[1], picture.shape[0]
    after, alphas = original.start(), []
    for frame in frames_of(picture):
        pixels, states = _pixels(host, frame), after
        answer, after = original.step(to_file(pixels, graph.inputs[0]), states)
        planes = in_planes(answer, host.answer_layout)
        alphas.append(enlarged(subject_share(host, planes), size))
    return np.stack(alphas), pixels, states


def _pixels(host: ForeignHost, picture: Bytes) -> Floats:
    return laid_out(host, normalised(host, resize_picture(picture, host.size)))


def _recordable(host: ForeignHost, value: Floats) -> Floats:
    """The nearest input that a record can store exactly; see :mod:`edgematte.check.goldens`."""
    if host.takes_bytes or host.range == (0.0, 1.0):
        return from_bytes(to_bytes(value))
    return value.astype(np.float16).astype(np.float32)
