"""Host side: reduce, one graph, enlarge. NumPy and Pillow only."""

from collections.abc import Mapping

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.runtime.engines.graph import GraphCall, need
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.resize import resize_picture, resize_planes
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from portrait_unet.host import FusedHost, LoadOptions

SURE = 0.02  # alpha this near to 0 or 1 is background or foreground


class Fused:
    """Reduce the picture, surround it, one graph, enlarge alpha."""

    def __init__(self, host: FusedHost, graphs: Mapping[str, GraphCall], sharpen: float) -> None:
        """``graphs`` holds ``matte``: image -> alpha."""
        need(graphs, "matte", host.cut)
        self.host, self.graph, self.sharpen = host, graphs["matte"], sharpen

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """Picture (H, W, 3) uint8 RGB -> alpha (H, W) in [0, 1], trimap (H, W).

        Raises:
            OptionError: a trimap, for which this net has no use.
        """
        if trimap is not None:
            raise OptionError("portrait-unet finds the subject itself; give it no trimap")
        with clock("host.reduce"):
            image = to_input(reduce(picture, self.host))
        with clock("graph.matte"):
            reduced = self.graph(image=image)["alpha"][0]
        with clock("host.enlarge"):
            alpha = enlarge(reduced, self.host, (picture.shape[1], picture.shape[0]))
            alpha = sharpened(alpha, self.sharpen)
        with clock("host.trimap"):
            return alpha, trimap_of(alpha)


def pipeline(
    host: FusedHost, graphs: Mapping[str, GraphCall], options: LoadOptions | None = None
) -> Fused:
    """What runs a bundle; without options, those of the declaration.

    Raises:
        BundleError: the graph is missing.
    """
    return Fused(host, graphs, (options or LoadOptions()).sharpen)


def reduce(picture: Bytes, host: FusedHost) -> Bytes:
    """Picture (H, W, 3) -> (h, w, 3) of the host section's size, its border repeated."""
    edge = host.edge_px
    small = resize_picture(picture, host.inner)
    return np.pad(small, ((edge, edge), (edge, edge), (0, 0)), mode="edge")


def enlarge(alpha: Floats, host: FusedHost, size: tuple[int, int]) -> Floats:
    """Alpha (1, h, w) of the graph -> (H, W) in [0, 1], without its border; ``size`` is (W, H)."""
    edge, (width, height) = host.edge_px, host.inner
    inner = alpha[:, edge : edge + height, edge : edge + width]
    whole: Floats = np.clip(resize_planes(inner, size)[0], 0, 1)
    return whole


def sharpened(alpha: Floats, contrast: float) -> Floats:
    """Alpha in [0, 1] with its distance from one half multiplied by ``contrast``."""
    if contrast == 1:
        return alpha
    half = np.float32(0.5)
    sharp: Floats = np.clip(half + np.float32(contrast) * (alpha - half), 0, 1)
    return sharp


def trimap_of(alpha: Floats) -> Bytes:
    """Alpha (H, W) -> trimap (H, W): unknown where alpha is neither nearly 0 nor nearly 1."""
    trimap = np.full(alpha.shape, UNKNOWN, np.uint8)
    trimap[alpha <= SURE] = BACKGROUND
    trimap[alpha >= 1 - SURE] = FOREGROUND
    return trimap
