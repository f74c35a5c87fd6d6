"""The host steps of imported nets, declared for records, checks and ports of the host side."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.steps import (
    ALPHA,
    PICTURE,
    REDUCED,
    SIZE,
    TRIMAP,
    Array,
    Arrays,
    HostStep,
    Steps,
)
from edgematte.runtime.nets.foreign.host import ForeignHost
from edgematte.runtime.nets.foreign.pipeline import enlarged, normalised, subject_share, trimap_of

PLANES = Array("planes", "(3, h, w)", every=(1, 4, 4), note="in the graph's channel order")
ANSWER = Array("answer", "(1, ...)", note="the graph's output, channels before rows")


def prepare(host: ForeignHost, picture: Bytes) -> Arrays:
    """What the graph is given, before its layout."""
    reduced = resize_picture(picture, host.size)
    return {"reduced": reduced, "planes": normalised(host, reduced)}


def read(host: ForeignHost, answer: Floats, size: NDArray[np.int32]) -> Arrays:
    """Alpha and trimap of the picture from the graph's answer."""
    share = subject_share(host, answer.astype(np.float32))
    alpha = enlarged(share, (int(size[0]), int(size[1])))
    return {"alpha": alpha, "trimap": trimap_of(host, share, alpha)}


_STEPS = (
    HostStep("prepare", prepare, (PICTURE,), (REDUCED, PLANES)),
    HostStep("read", read, (ANSWER, SIZE), (ALPHA, TRIMAP)),
)
STEPS: Steps = {"matte": _STEPS, "mask": _STEPS}
