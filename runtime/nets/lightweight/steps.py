"""The lightweight net's host steps, declared for records, checks and ports of the host side."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.host import TrimapHost
from edgematte.runtime.host.cover import CoverStitcher
from edgematte.runtime.host.patches import Patch, Stitcher, boxes, crop, unknown_in
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
from edgematte.runtime.nets.lightweight.patches import patches_for
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
    found = patches_for(host, trimap)
    return {"patches": boxes(found), "refined": unknown_in(trimap, found)}


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
    """Alpha of the picture from those of its patches on a grid."""
    stitcher = Stitcher((int(size[0]), int(size[1])), host.patch, host.overlap)
    for row, alpha in zip(patches, alphas, strict=True):
        stitcher.add(Patch.of(row), alpha)
    return {"alpha": stitcher.finish()}


def join(host: SplitHost, patches: NDArray[np.int32], alphas: Floats, trimap: Bytes) -> Arrays:
    """Alpha of the picture from those of its placed patches and its trimap."""
    stitcher = CoverStitcher(trimap, host.patch, host.overlap)
    for row, alpha in zip(patches, alphas, strict=True):
        stitcher.add(Patch.of(row), alpha)
    return {"alpha": stitcher.finish()}


def _placed(host: SplitHost) -> bool:
    return host.lattice is not None


def _on_grid(host: SplitHost) -> bool:
    return host.lattice is None


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
        HostStep("stitch", join, (PATCHES, ALPHAS, TRIMAP), (ALPHA,), _placed, "with a lattice"),
        HostStep(
            "stitch", stitch, (PATCHES, ALPHAS, SIZE), (ALPHA,), _on_grid, "without a lattice"
        ),
    ),
}


def patches_of(host: TrimapHost, trimap: Bytes) -> list[Patch]:
    """The patches that a picture's alpha is stitched from; ``trimap`` (H, W) is the picture's."""
    if not isinstance(host, SplitHost):
        return []
    return patches_for(host, trimap)
