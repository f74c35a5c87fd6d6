"""An imported net as the first stage of another net: its answer, and a band around its edges."""

from edgematte.arrays import Bytes
from edgematte.runtime.engines.graph import GraphCall
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.mask import band_around
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.nets.foreign.host import ForeignHost
from edgematte.runtime.nets.foreign.pipeline import (
    first_states,
    laid_out,
    normalised,
    subject_share,
)


class ForeignStage:
    """An estimator of trimaps."""

    def __init__(self, host: ForeignHost, graph: GraphCall) -> None:
        """``graph`` takes ``pixels`` and gives ``alpha``, in the layouts of the host section."""
        self.host, self.graph = host, graph

    def __call__(self, picture: Bytes, clock: Clock) -> Bytes:
        """Picture (H, W, 3) -> trimap (H, W), of a matte as of a mask by its band."""
        host = self.host
        with clock("host.reduce"):
            planes = normalised(host, resize_picture(picture, host.size))
            pixels = laid_out(host, planes)
        with clock("graph.trimap_stage"):
            answer = self.graph(pixels=pixels, **first_states(host))["alpha"]
        with clock("host.trimap"):
            size = picture.shape[1], picture.shape[0]
            return band_around(subject_share(host, answer)[0], size, host.band_px)
