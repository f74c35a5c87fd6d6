"""Golden records of an imported bundle, made by the file itself."""

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.check.goldens import Goldens, GraphRecord, from_bytes, stride_for, to_bytes
from edgematte.export.foreign.original import Original
from edgematte.manifest import Graph
from edgematte.net import Variant, load_part
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.steps import Arrays, recorded, steps_of
from edgematte.runtime.nets.foreign.host import ForeignHost
from edgematte.runtime.pipeline import pipeline_for


class Remembering:
    """The original, and what it was last given."""

    def __init__(self, original: Original) -> None:
        """``original`` has been told its declaration."""
        self.original = original
        self.given: dict[str, Floats] = {}

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        """See :class:`GraphCall`."""
        self.given = inputs
        return self.original(**inputs)


def record(
    variant: Variant, host: ForeignHost, graph: Graph, original: Original, picture: Bytes
) -> Goldens:
    """What the host steps and the file give for a picture (H, W, 3).

    Raises:
        OnnxFileError: the file fails, or gives values that are not finite.
    """
    call = Remembering(original)
    alpha, trimap = pipeline_for(variant, host, {graph.name: call})(picture, None, Clock())
    inputs = {name: _recordable(host, value) for name, value in call.given.items()}
    answer = original(**inputs)["alpha"]
    stride = stride_for(answer.shape) if host.answer_layout != "NHWC" else 1
    records = GraphRecord(inputs, {}, stride)
    records.outputs["alpha"] = np.ascontiguousarray(records.sample(answer))
    pool: Arrays = {
        "picture": picture,
        "size": np.array(picture.shape[1::-1], np.int32),
        "answer": answer.astype(np.float16),
    }
    pool = recorded(steps_of(load_part(variant.net.steps), host), host, pool)
    return Goldens({graph.name: records}, pool, picture, trimap, alpha)


def _recordable(host: ForeignHost, value: Floats) -> Floats:
    """The nearest input that a record can store exactly; see :mod:`edgematte.check.goldens`."""
    if host.takes_bytes or host.range == (0.0, 1.0):
        return from_bytes(to_bytes(value))
    return value.astype(np.float16).astype(np.float32)
