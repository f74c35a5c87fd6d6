"""The lightweight net's host steps, declared for records, checks and ports of the host side."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.host import TrimapHost
from edgematte.runtime.host.patches import (
    Patch,
    Stitcher,
    boxes,
    crop,
    patch_grid,
    unknown_in,
    walk,
)
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.steps import (
    ALPHA,
    ALPHAS,
    PATCH,
    PATCHES,
    PICTURE,
    PICTURE_PATCH,
    REDUCED,
    REFINED,
    SIZE,
    TRIMAP,
    Array,
    Arrays,
    HostStep,
    Steps,
)
from edgematte.runtime.nets.lightweight.host import FusedHost, SplitHost
from edgematte.runtime.nets.lightweight.pipeline import enlarge, estimate, probability_patch

PROBABILITIES = Array("probabilities", "(3, h, w)", unit=True)
REDUCED_ALPHA = Array("reduced_alpha", "(1, h, w)", unit=True)
PROBABILITY_PATCH = Array("probability_patch", "(3, side, side)", every=(1, 8, 8))


def reduce(host: TrimapHost, picture: Bytes) -> Arrays:
    """The picture at the size of the first graph."""
    return {"reduced": resize_picture(picture, host.size)}


def trimap(host: TrimapHost, probabilities: Floats, size: NDArray[np.int32]) -> Arrays:
    """The trimap of the picture from probabilities of the reduced one."""
    return {"trimap": estimate(host, probabilities, (int(size[0]), int(size[1])))}


def enlarged(host: FusedHost, reduced_alpha: Floats, size: NDArray[np.int32]) -> Arrays:
    """Alpha of the picture from that of the reduced one."""
    return {"alpha": enlarge(reduced_alpha, (int(size[0]), int(size[1])))}


def patches(host: SplitHost, trimap: Bytes) -> Arrays:
    """Where the patches lie, and which of them hold unknown pixels."""
    size = trimap.shape[1], trimap.shape[0]
    grid = list(walk(patch_grid(size, host.patch, host.overlap)))
    return {"patches": boxes(grid), "refined": unknown_in(trimap, grid)}


def cut(
    host: SplitHost,
    picture: Bytes,
    trimap: Bytes,
    probabilities: Floats | None,
    patch: NDArray[np.int32],
) -> Arrays:
    """What the refining graph sees of a patch; without probabilities the trimap's classes."""
    where = Patch.of(patch)
    size = picture.shape[1], picture.shape[0]
    return {
        "picture_patch": crop(picture, where),
        "probability_patch": probability_patch(probabilities, trimap, where, size),
    }


def stitch(
    host: SplitHost, patches: NDArray[np.int32], alphas: Floats, size: NDArray[np.int32]
) -> Arrays:
    """Alpha of the picture from those of its patches."""
    stitcher = Stitcher((int(size[0]), int(size[1])), host.patch, host.overlap)
    for row, alpha in zip(patches, alphas, strict=True):
        stitcher.add(Patch.of(row), alpha)
    return {"alpha": stitcher.finish()}


_REDUCE = HostStep("reduce", reduce, (PICTURE,), (REDUCED,))
_TRIMAP = HostStep("trimap", trimap, (PROBABILITIES, SIZE), (TRIMAP,))

STEPS: Steps = {
    "fused": (
        _REDUCE,
        _TRIMAP,
        HostStep("enlarge", enlarged, (REDUCED_ALPHA, SIZE), (ALPHA,)),
    ),
    "split": (
        _REDUCE,
        _TRIMAP,
        HostStep("patches", patches, (TRIMAP,), (PATCHES, REFINED)),
        HostStep(
            "crop",
            cut,
            (PICTURE, TRIMAP, PROBABILITIES, PATCH),
            (PICTURE_PATCH, PROBABILITY_PATCH),
            absent=("probabilities",),
        ),
        HostStep("stitch", stitch, (PATCHES, ALPHAS, SIZE), (ALPHA,)),
    ),
}


def patches_of(host: TrimapHost, trimap: Bytes) -> list[Patch]:
    """The patches that a picture's alpha is stitched from; ``trimap`` (H, W) is the picture's."""
    if not isinstance(host, SplitHost):
        return []
    return list(walk(patch_grid((trimap.shape[1], trimap.shape[0]), host.patch, host.overlap)))
