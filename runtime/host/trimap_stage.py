"""A bundle's trimap stage: another net's segmentation, reduced picture -> class probabilities."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.host import StageHost
from edgematte.metrics.components import connected_runs
from edgematte.runtime.engines.graph import GraphCall
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.trimap import estimate_trimap

SPECK_SHARE = 0.0005
"""*Chosen*: pieces smaller than this share of the picture (23x23 pixels of a megapixel) count as
noise."""


class TrimapStage:
    """An estimator of trimaps."""

    def __init__(self, host: StageHost, segment: GraphCall) -> None:
        """``segment`` turns (1, 3, h, w) in [0, 1] into probabilities (1, 3, h, w)."""
        self.host, self.segment = host, segment

    def __call__(self, picture: Bytes, clock: Clock) -> Bytes:
        """Picture (H, W, 3) -> trimap (H, W)."""
        host = self.host
        with clock("host.reduce"):
            reduced = to_input(resize_picture(picture, host.size))
        with clock("graph.trimap_stage"):
            probabilities = self.segment(image=reduced)["trimap"][0]
        with clock("host.trimap"):
            return estimate_trimap(
                without_specks(probabilities, host.speck_share),
                (picture.shape[1], picture.shape[0]),
                unknown_threshold=host.unknown_threshold,
                band_px=host.band_px,
            )


def without_specks(probabilities: Floats, share: float) -> Floats:
    """Fill small holes in the subject and drop small islands; a new array where there were any.

    Islands are 4-connected pieces of the pixels that are likelier subject (foreground or unknown)
    than background; holes are 4-connected pieces of the other pixels. A piece of fewer pixels than
    ``share`` of the picture is changed: an island to certain background, a hole to certain
    foreground.

    Args:
        probabilities: (3, h, w): background, foreground, unknown.
        share: in [0, 1]; 0 changes nothing.
    """
    limit = share * probabilities[0].size
    if limit < 1:
        return probabilities
    subject = probabilities[0] < 0.5
    islands = small_pieces(subject, limit)
    holes = small_pieces(~(subject & ~islands), limit)
    if not islands.any() and not holes.any():
        return probabilities
    cleaned = probabilities.copy()
    cleaned[:, islands] = np.array([[1], [0], [0]], np.float32)
    cleaned[:, holes] = np.array([[0], [1], [0]], np.float32)
    return cleaned


def small_pieces(mask: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
    """A mask of all pixels in 4-connected pieces that have fewer than ``limit`` pixels."""
    height, width = mask.shape
    runs = connected_runs(mask)
    steps = np.zeros(height * (width + 1) + 1, np.int8)
    if len(runs.starts):
        sizes = np.bincount(runs.component, weights=runs.stops - runs.starts)
        small = sizes[runs.component] < limit
        steps[runs.starts[small]] = 1
        steps[runs.stops[small]] -= 1
    inside: NDArray[np.bool_] = np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)
    return inside.reshape(height, width + 1)[:, :width]
