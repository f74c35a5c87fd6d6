"""HDMatt's host steps, declared for records, checks and ports of the host side."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.patches import (
    Patch,
    Stitcher,
    boxes,
    crop,
    patch_grid,
    unknown_in,
    walk,
)
from edgematte.runtime.host.steps import (
    ALPHA,
    ALPHAS,
    PATCH,
    PATCHES,
    PICTURE,
    PICTURE_PATCH,
    REFINED,
    TRIMAP,
    Array,
    Arrays,
    HostStep,
    Steps,
)
from edgematte.runtime.host.trimap import keep_known
from edgematte.runtime.nets.hdmatt.contexts import best_contexts, candidates, pad
from edgematte.runtime.nets.hdmatt.host import PatchesHost

CANDIDATES = Array("candidates", "(c,)", "int32", note="numbers of patches")
TRIMAP_PATCH = Array("trimap_patch", "(side, side)", "uint8")
QUERY = Array("query_vector", "(C,)")
CONTEXTS = Array("context_vectors", "(n, C)", note="the first of them the query's own")
CHOSEN = Array("chosen", "(at most k,)", "int32", note="numbers, the best first")
PAD = Array("pad", "(1, k)")


def patches(host: PatchesHost, trimap: Bytes) -> Arrays:
    """Where the patches lie, and which of them hold unknown pixels."""
    size = trimap.shape[1], trimap.shape[0]
    grid = list(walk(patch_grid(size, host.patch, host.overlap)))
    return {"patches": boxes(grid), "refined": unknown_in(trimap, grid)}


def mixed(host: PatchesHost, trimap: Bytes) -> Arrays:
    """Numbers of the patches that may be contexts."""
    size = trimap.shape[1], trimap.shape[0]
    grid = list(walk(patch_grid(size, host.patch, host.overlap)))
    return {"candidates": candidates(trimap, grid, host.candidates or 0)}


def cut(host: PatchesHost, picture: Bytes, trimap: Bytes, patch: NDArray[np.int32]) -> Arrays:
    """What the graphs see of a patch."""
    where = Patch.of(patch)
    return {"picture_patch": crop(picture, where), "trimap_patch": crop(trimap, where)}


def contexts(host: PatchesHost, query_vector: Floats, context_vectors: Floats) -> Arrays:
    """The contexts of a query, and the pad that marks missing ones."""
    assert host.k is not None
    chosen = best_contexts(query_vector, context_vectors, host.k, 0)
    return {"chosen": chosen, "pad": pad(len(chosen), host.k)}


def stitch(host: PatchesHost, patches: NDArray[np.int32], alphas: Floats, trimap: Bytes) -> Arrays:
    """Alpha of the picture from those of its patches, known pixels exact."""
    stitcher = Stitcher((trimap.shape[1], trimap.shape[0]), host.patch, host.overlap)
    for row, alpha in zip(patches, alphas, strict=True):
        stitcher.add(Patch.of(row), alpha)
    return {"alpha": keep_known(stitcher.finish(), trimap)}


def _sees_others(host: PatchesHost) -> bool:
    return bool(host.k)


WITH = "with contexts"
STEPS: Steps = {
    "patches": (
        HostStep("patches", patches, (TRIMAP,), (PATCHES, REFINED)),
        HostStep("candidates", mixed, (TRIMAP,), (CANDIDATES,), _sees_others, WITH),
        HostStep("crop", cut, (PICTURE, TRIMAP, PATCH), (PICTURE_PATCH, TRIMAP_PATCH)),
        HostStep("contexts", contexts, (QUERY, CONTEXTS), (CHOSEN, PAD), _sees_others, WITH),
        HostStep("stitch", stitch, (PATCHES, ALPHAS, TRIMAP), (ALPHA,)),
    )
}


def patches_of(host: PatchesHost, trimap: Bytes) -> list[Patch]:
    """The patches that a picture's alpha is stitched from; ``trimap`` (H, W) is the picture's."""
    return list(walk(patch_grid((trimap.shape[1], trimap.shape[0]), host.patch, host.overlap)))
