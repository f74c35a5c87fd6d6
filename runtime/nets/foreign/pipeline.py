"""Host side of imported nets: stretch, normalise, one graph, activation, enlarge."""

from collections.abc import Mapping

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.host import Size
from edgematte.runtime.engines.graph import GraphCall, need
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.mask import band_around
from edgematte.runtime.host.resize import resize_picture, resize_planes
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from edgematte.runtime.nets.foreign.host import ForeignHost, MaskHost

GRAPH = "matte"
SURE = 0.02
"""*Chosen*: an alpha this near to 0 or 1 is background or foreground in the trimap of a matte."""


def pipeline(
    host: ForeignHost, graphs: Mapping[str, GraphCall], options: object = None
) -> "Foreign":
    """The pipeline of either kind; imported nets have no options.

    Raises:
        BundleError: the graph is missing.
    """
    need(graphs, GRAPH, host.cut)
    return Foreign(host, graphs[GRAPH])


class Foreign:
    """Stretches the picture, runs the graph, and enlarges what it says."""

    def __init__(self, host: ForeignHost, graph: GraphCall) -> None:
        """``graph`` takes ``pixels`` and gives ``alpha``, in the layouts of the host section."""
        self.host, self.graph = host, graph

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`.

        Raises:
            OptionError: a trimap, which such a net has no input for.
        """
        if trimap is not None:
            raise OptionError(
                "this bundle is of an imported net, which finds the subject itself and takes no "
                "trimap or mask: leave it out"
            )
        with clock("host.reduce"):
            planes = normalised(self.host, resize_picture(picture, self.host.size))
            pixels = laid_out(self.host, planes)
        with clock(f"graph.{GRAPH}"):
            answer = self.graph(pixels=pixels)["alpha"]
        with clock("host.enlarge"):
            share = subject_share(self.host, answer)
            alpha = enlarged(share, (picture.shape[1], picture.shape[0]))
        with clock("host.trimap"):
            return alpha, trimap_of(self.host, share, alpha)


def normalised(host: ForeignHost, reduced: Bytes) -> Floats:
    """Picture (h, w, 3) of the graph's size -> planes (3, h, w) in its channel order and range."""
    ordered = reduced if host.channel_order == "RGB" else reduced[..., ::-1]
    planes = np.ascontiguousarray(ordered.transpose(2, 0, 1), np.float32)
    planes *= np.float32(host.scale)
    planes -= np.array(host.mean, np.float32)[:, None, None]
    planes /= np.array(host.std, np.float32)[:, None, None]
    return planes


def laid_out(host: ForeignHost, planes: Floats) -> Floats:
    """Planes (3, h, w) -> the graph's input, (1, 3, h, w) or (1, h, w, 3).

    Where the graph takes bytes they are given as bytes / 255, as to every graph with the range 0 to
    255, which :class:`RunnableGraph` turns into bytes again.
    """
    if host.takes_bytes:
        planes = planes / np.float32(255)
    pixels = planes[None] if host.layout == "NCHW" else planes.transpose(1, 2, 0)[None]
    return np.ascontiguousarray(pixels, np.float32)


def subject_share(host: ForeignHost, answer: Floats) -> Floats:
    """The graph's output, in any layout -> (1, h, w): how much of each pixel is subject.

    ``min-max`` stretches the values of each picture to [0, 1], as U^2-Net (Pattern Recognition
    2020) is used; an output that is the same everywhere becomes 0.
    """
    if host.answer_layout == "NHW":
        planes = answer
    else:
        planes = answer[0] if host.answer_layout == "NCHW" else answer[0].transpose(2, 0, 1)
    planes = planes.astype(np.float32, copy=False)
    if host.activation == "softmax":
        powers = np.exp(planes - planes.max(axis=0))
        planes = powers / powers.sum(axis=0)
    share = planes[host.channel : host.channel + 1]
    if host.activation == "sigmoid":
        share = np.float32(0.5) * (np.tanh(share * np.float32(0.5)) + np.float32(1))
    if host.activation == "min-max":
        least, most = share.min(), share.max()
        share = (share - least) / max(most - least, np.finfo(np.float32).tiny)
    share = np.clip(share, 0, 1)
    return np.ascontiguousarray(1 - share if host.invert else share, np.float32)


def enlarged(share: Floats, size: Size) -> Floats:
    """(1, h, w) -> alpha (H, W) in [0, 1]; ``size`` is (W, H)."""
    alpha: Floats = np.clip(resize_planes(share, size)[0], 0, 1)
    return alpha


def trimap_of(host: ForeignHost, share: Floats, alpha: Floats) -> Bytes:
    """The trimap (H, W): of a matte where alpha (H, W) is soft, of a mask (1, h, w) by its band."""
    if isinstance(host, MaskHost):
        return band_around(share[0], (alpha.shape[1], alpha.shape[0]), host.band_px)
    trimap = np.full(alpha.shape, UNKNOWN, np.uint8)
    trimap[alpha <= SURE] = BACKGROUND
    trimap[alpha >= 1 - SURE] = FOREGROUND
    return trimap
