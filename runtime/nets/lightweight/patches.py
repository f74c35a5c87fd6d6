"""Where the patches of the split cut lie, and how alpha is stitched from them."""

from edgematte.arrays import Bytes
from edgematte.runtime.host.cover import CoverStitcher, cover
from edgematte.runtime.host.patches import Patch, Stitcher, patch_grid, walk
from edgematte.runtime.host.trimap import UNKNOWN
from edgematte.runtime.nets.lightweight.host import SplitHost


def patches_for(host: SplitHost, trimap: Bytes) -> list[Patch]:
    """The patches of a picture in the order in which they are stitched; ``trimap`` is (H, W).

    Placed ones all hold unknown pixels; those of a grid cover the picture.
    """
    if host.lattice is not None:
        return cover(trimap == UNKNOWN, host.patch, host.overlap, host.lattice)
    return list(walk(patch_grid((trimap.shape[1], trimap.shape[0]), host.patch, host.overlap)))


def stitcher_for(host: SplitHost, trimap: Bytes) -> Stitcher | CoverStitcher:
    """What makes alpha of the patches' alphas."""
    if host.lattice is not None:
        return CoverStitcher(trimap, host.patch, host.overlap)
    return Stitcher((trimap.shape[1], trimap.shape[0]), host.patch, host.overlap)
