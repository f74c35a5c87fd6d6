"""An imported net as the first stage of another net: its answer, and a band around its edges."""

from edgematte.arrays import Bytes, Floats
from edgematte.manifest import STAGE
from edgematte.runtime.engines.graph import GraphCall
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.mask import band_around
from edgematte.runtime.nets.foreign.host import ForeignHost
from edgematte.runtime.nets.foreign.pipeline import Foreign, first_states, subject_share


def estimator(host: ForeignHost, graph: GraphCall) -> "ForeignStage":
    """An estimator of trimaps; ``graph`` is as :class:`Foreign` takes it."""
    return (RecurrentStage if host.states else ForeignStage)(Foreign(host, graph, STAGE))


class ForeignStage:
    """Estimates the trimap of each picture alone; a recurrent net is in its first state."""

    def __init__(self, net: Foreign) -> None:
        """``net`` answers for the picture."""
        self.net = net

    def __call__(self, picture: Bytes, clock: Clock) -> Bytes:
        """Picture (H, W, 3) -> trimap (H, W), of a matte as of a mask by its band."""
        return self.estimate(picture, first_states(self.net.host), clock)[0]

    def estimate(
        self, picture: Bytes, states: dict[str, Floats], clock: Clock
    ) -> tuple[Bytes, dict[str, Floats]]:
        """The trimap, and the states of the next frame."""
        net, host = self.net, self.net.host
        answer, after = net.answer(net.prepared(picture, clock), states, clock)
        with clock("host.trimap"):
            size = picture.shape[1], picture.shape[0]
            return band_around(subject_share(host, answer)[0], size, host.band_px), after


class RecurrentStage(ForeignStage):
    """Of a net with states."""

    def clip(self) -> "ClipStage":
        """See :class:`edgematte.runtime.host.trimap_source.Carrying`."""
        return ClipStage(self)


class ClipStage:
    """Estimates the trimaps of a clip's frames, in their order; it has states of its own."""

    def __init__(self, stage: ForeignStage) -> None:
        """``stage`` estimates each."""
        self._stage, self._states = stage, first_states(stage.net.host)

    def __call__(self, picture: Bytes, clock: Clock) -> Bytes:
        """The trimap (H, W) of the next frame (H, W, 3)."""
        trimap, self._states = self._stage.estimate(picture, self._states, clock)
        return trimap
