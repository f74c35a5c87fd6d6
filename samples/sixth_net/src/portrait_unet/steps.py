"""The host steps, declared: edgematte records each one, so that a port can prove itself."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
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
from portrait_unet.host import FusedHost
from portrait_unet.pipeline import enlarge, reduce, trimap_of

REDUCED_ALPHA = Array("reduced_alpha", "(1, h, w)", unit=True)


def _reduce(host: FusedHost, picture: Bytes) -> Arrays:
    return {"reduced": reduce(picture, host)}


def _enlarge(host: FusedHost, reduced_alpha: Floats, size: NDArray[np.int32]) -> Arrays:
    alpha = enlarge(reduced_alpha, host, (int(size[0]), int(size[1])))
    return {"alpha": alpha, "trimap": trimap_of(alpha)}


STEPS: Steps = {
    "fused": (
        HostStep("reduce", _reduce, (PICTURE,), (REDUCED,)),
        HostStep("enlarge", _enlarge, (REDUCED_ALPHA, SIZE), (ALPHA, TRIMAP)),
    )
}
