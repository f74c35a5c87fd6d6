"""Host side of the regional net: find uncertain cells, their neighbours, refine, paste."""

from collections.abc import Mapping

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.runtime.engines.graph import GraphCall, need
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.nets.regional.clip import RegionClip
from edgematte.runtime.nets.regional.host import Options, RegionsHost
from edgematte.runtime.nets.regional.stages import RegionStages


def pipeline(
    host: RegionsHost, graphs: Mapping[str, GraphCall], options: Options | None = None
) -> "Regions":
    """The pipeline over the graphs of a bundle.

    Raises:
        BundleError: a graph is missing.
    """
    for name in ("coarse", "encode", "refine") if host.k else ("coarse", "refine"):
        need(graphs, name, host.cut)
    regions = Regions(host, graphs)
    if options is not None:
        regions.limit(options)
    return regions


class Regions(RegionStages):
    """Runs the coarse net on the frame, then refines its uncertain cells, N at a time."""

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`. A given trimap is refused: the net takes none."""
        if trimap is not None:
            raise OptionError("the regional net finds its own trimap and takes none")
        framed = self.frame(picture, clock)
        coarse = self.coarse(self.image(framed, clock), clock)
        cells, _ = self.choose(coarse, clock)
        refined = self.refine(framed, coarse, cells, clock)
        return self.finish(framed.frame, coarse, refined, clock)

    def stream(self, *, reuse: bool) -> RegionClip:
        """The steps of a new clip."""
        return RegionClip(self, reuse=reuse)
