"""The regional net on a clip: regions that did not change keep their alpha."""

from dataclasses import dataclass

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.nets.regional.refiner import Refined
from edgematte.runtime.nets.regional.reuse import Changes, Flags, places
from edgematte.runtime.nets.regional.stages import Coarse, Framed, RegionStages

Answer = tuple[Floats, Bytes]


@dataclass(frozen=True)
class Prepared:
    """A frame before any graph."""

    framed: Framed
    image: Floats | None  # (1, 3, height, width); None where no cell changed
    changed: Flags | None  # (rows, columns); None: all cells changed
    clock: Clock


@dataclass(frozen=True)
class Inferred:
    """A frame after all graphs; ``same``: its answer is that of the frame before."""

    framed: Framed
    coarse: Coarse
    refined: Refined
    same: bool
    clock: Clock


class RegionClip:
    """The steps of :class:`edgematte.runtime.capabilities.ClipSteps`, each called in one thread.

    Regions that the limits left coarse are refined in the next frames, as far as the limits allow,
    while the picture does not change there.
    """

    def __init__(self, regions: RegionStages, *, reuse: bool) -> None:
        """Without ``reuse`` every frame is matted alone."""
        self._regions, self._reuse = regions, reuse
        self._changes = Changes()
        self._last: tuple[Coarse, Refined] | None = None
        self._answer: Answer | None = None

    def prepare(self, picture: Bytes) -> Prepared:
        """Bring the picture to the frame's size and compare it with the frames before."""
        clock = Clock()
        framed = self._regions.frame(picture, clock)
        if not self._reuse:
            return Prepared(framed, self._regions.image(framed, clock), None, clock)
        with clock("host.compare"):
            changed = self._changes(framed.frame, framed.pixels)
            still = not changed.any()
        image = None if still else self._regions.image(framed, clock)
        return Prepared(framed, image, None if changed.all() else changed, clock)

    def infer(self, prepared: Prepared) -> Inferred:
        """Run the graphs for what changed."""
        regions, framed, clock = self._regions, prepared.framed, prepared.clock
        last, changed = self._last, prepared.changed
        if prepared.image is None:
            assert last is not None
            coarse = last[0]
        else:
            coarse = regions.coarse(prepared.image, clock)
        if last is None or changed is None:
            cells, _ = regions.choose(coarse, clock)
            refined, same = regions.refine(framed, coarse, cells, clock), False
        else:
            cells, held = regions.choose(coarse, clock, places(last[1], changed))
            refined = regions.refine(framed, coarse, cells, clock, (held, last[1]))
            same = prepared.image is None and bool((held >= 0).all())
            clock.counts["regions kept"] = int(np.count_nonzero(held >= 0))
        if self._reuse:
            self._last = coarse, refined
        return Inferred(framed, coarse, refined, same, clock)

    def finish(self, inferred: Inferred) -> tuple[Floats, Bytes, Clock]:
        """Alpha and trimap of the picture."""
        if inferred.same and self._answer is not None:
            with inferred.clock("host.finish"):
                alpha, trimap = self._answer[0].copy(), self._answer[1].copy()
        else:
            alpha, trimap = self._regions.finish(
                inferred.framed.frame, inferred.coarse, inferred.refined, inferred.clock
            )
        if self._reuse:
            self._answer = alpha.copy(), trimap.copy()  # copies: the caller may write to its arrays
        return alpha, trimap, inferred.clock
