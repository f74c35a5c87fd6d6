"""Host side of imported nets: stretch, normalise, one graph, activation, enlarge."""

from collections.abc import Mapping

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.errors import BundleError, OptionError
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
    return (Recurrent if host.states else Foreign)(host, graphs[GRAPH])


class Foreign:
    """Stretches the picture, runs the graph, and enlarges what it says."""

    def __init__(self, host: ForeignHost, graph: GraphCall, name: str = GRAPH) -> None:
        """``graph`` takes ``pixels`` and gives ``alpha``, in the layouts of the host section.

        Its time is counted under ``name``.
        """
        self.host, self.graph, self.name = host, graph, name

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`; a recurrent net is in its first state.

        Raises:
            OptionError: a trimap, which such a net has no input for.
        """
        if trimap is not None:
            raise OptionError(
                "this bundle is of an imported net, which finds the subject itself and takes no "
                "trimap or mask: leave it out"
            )
        answer, _ = self.answer(self.prepared(picture, clock), first_states(self.host), clock)
        return self.read(answer, (picture.shape[1], picture.shape[0]), clock)

    def prepared(self, picture: Bytes, clock: Clock) -> Floats:
        """Picture (H, W, 3) -> the graph's ``pixels``."""
        with clock("host.reduce"):
            planes = normalised(self.host, resize_picture(picture, self.host.size))
            return laid_out(self.host, planes)

    def answer(
        self, pixels: Floats, states: Mapping[str, Floats], clock: Clock
    ) -> tuple[Floats, dict[str, Floats]]:
        """The graph's ``alpha``, and the states of the next frame by the names of its inputs."""
        with clock(f"graph.{self.name}"):
            answers = self.graph(pixels=pixels, **states)
        after = {state.input: answers[state.output] for state in self.host.states or ()}
        return answers["alpha"], after

    def read(self, answer: Floats, size: Size, clock: Clock) -> tuple[Floats, Bytes]:
        """The graph's answer -> alpha (H, W) and trimap (H, W); ``size`` is (W, H)."""
        with clock("host.enlarge"):
            share = subject_share(self.host, answer)
            alpha = enlarged(share, size)
        with clock("host.trimap"):
            return alpha, trimap_of(self.host, share, alpha)


class Recurrent(Foreign):
    """A net with states: through a clip they go from frame to frame."""

    def stream(self, *, reuse: bool) -> "RecurrentClip":
        """The steps of a new clip; without ``reuse`` every frame is in the first state."""
        return RecurrentClip(self, carry=reuse)


class RecurrentClip:
    """The steps of :class:`edgematte.runtime.capabilities.ClipSteps`, each called in one thread.

    The states belong to the clip, so that clips that are matted at the same time do not mix.
    """

    def __init__(self, net: Recurrent, *, carry: bool) -> None:
        """With ``carry`` the states of a frame are those that the frame before gave."""
        self._net, self._carry = net, carry
        self._states = first_states(net.host)

    def prepare(self, picture: Bytes) -> tuple[Floats, Size, Clock]:
        """The graph's input, the picture's size (W, H), and the frame's clock."""
        clock = Clock()
        return self._net.prepared(picture, clock), (picture.shape[1], picture.shape[0]), clock

    def infer(self, prepared: tuple[Floats, Size, Clock]) -> tuple[Floats, Size, Clock]:
        """Run the graph, and keep its states."""
        pixels, size, clock = prepared
        answer, after = self._net.answer(pixels, self._states, clock)
        if self._carry:
            self._states = after
        return answer, size, clock

    def finish(self, inferred: tuple[Floats, Size, Clock]) -> tuple[Floats, Bytes, Clock]:
        """Alpha and trimap of the picture."""
        answer, size, clock = inferred
        return *self._net.read(answer, size, clock), clock


def first_states(host: ForeignHost) -> dict[str, Floats]:
    """The states of a clip's first frame, and of a picture alone: zeros, by the inputs' names."""
    return {state.input: np.zeros(state.shape, np.float32) for state in host.states or ()}


def normalised(host: ForeignHost, reduced: Bytes) -> Floats:
    """Picture (h, w, 3) of the graph's size -> planes (3, h, w) in its channel order and range."""
    ordered = reduced if host.channel_order == "RGB" else reduced[..., ::-1]
    planes = np.ascontiguousarray(ordered.transpose(2, 0, 1), np.float32)
    planes *= np.float32(host.scale)
    planes -= np.array(host.mean, np.float32)[:, None, None]
    planes /= np.array(host.std, np.float32)[:, None, None]
    return planes


def laid_out(host: ForeignHost, planes: Floats) -> Floats:
    """Planes (3, h, w) -> the graph's input, (1, 3, h, w); :class:`RunnableGraph` orders its axes.

    Where the graph takes bytes they are given as bytes / 255, as to every graph with the range 0 to
    255, which :class:`RunnableGraph` turns into bytes again.
    """
    if host.takes_bytes:
        planes = planes / np.float32(255)
    return np.ascontiguousarray(planes[None], np.float32)


def subject_share(host: ForeignHost, answer: Floats) -> Floats:
    """The graph's output, (1, c, h, w) or (1, h, w) -> (1, h, w): how much of a pixel is subject.

    ``min-max`` stretches the values of each picture to [0, 1], as U^2-Net (Pattern Recognition
    2020) is used; an output that is the same everywhere becomes 0.
    """
    if host.answer_layout == "NHW":
        planes = answer
    else:
        planes = answer[0]
    planes = planes.astype(np.float32, copy=False)
    if host.activation == "softmax":
        powers = np.exp(planes - planes.max(axis=0))
        planes = powers / powers.sum(axis=0)
    if host.channel >= len(planes):
        raise BundleError(
            f"channel {host.channel}: the graph gives {len(planes)}, counted from 0; import again"
        )
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
