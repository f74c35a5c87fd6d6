"""A loaded bundle: matte pictures one by one, several at once, step by step, or as a clip."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.host import Host
from edgematte.net import Variant
from edgematte.runtime.batches import many
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.capabilities import (
    Explains,
    Limited,
    Resumable,
    Stepwise,
    Streaming,
    able,
    require,
)
from edgematte.runtime.clips.stream import stream
from edgematte.runtime.given import (
    check_image,
    check_trimap,
    split_alpha,
    take_trimap,
    with_own_alpha,
)
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.explanation import Explanation
from edgematte.runtime.matte import Matte
from edgematte.runtime.net_options import read_load_options
from edgematte.runtime.pipeline import Sourced

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


class Matter:
    """A loaded bundle. Call it with pictures, from any number of threads."""

    def __init__(self, bundle: Bundle, variant: Variant, pipeline: Sourced, engine: str) -> None:
        """Use :func:`edgematte.load`; this constructor takes the parts it put together."""
        self.bundle, self.variant, self.engine = bundle, variant, engine
        self.host: Host = bundle.manifest.host
        self._sourced = pipeline

    @property
    def pipeline(self) -> Any:
        """The net's own pipeline, to ask for capabilities: see `edgematte.runtime.capabilities`."""
        return self._sourced.pipeline

    def __call__(
        self,
        image: Bytes,
        trimap: Bytes | None = None,
        *,
        mask: NDArray[Any] | None = None,
        journal: Path | None = None,
    ) -> Matte:
        """Matte one picture.

        Args:
            image: uint8 (H, W, 3), RGB; or (H, W, 4) with the picture's own alpha, which the
                matte is multiplied by: what was cleared stays cleared.
            trimap: uint8 (H, W), 0 background, 128 unknown, 255 foreground; or None, and it is
                estimated.
            mask: (h, w) of any size and the picture's proportions, in place of a trimap: binary or
                soft, as :func:`edgematte.trimap_from_mask` takes it, which has more options.
            journal: of nets whose patches see other patches: a file where finished patches are
                recorded, and from which a call that was stopped goes on. Remove it when done.

        Raises:
            PictureError: another shape or dtype, a trimap of another size, or a mask that is none.
            OptionError: a trimap or mask for a bundle that cannot take one, or none for a net that
                needs one and has no trimap stage; both a trimap and a mask; a journal of other
                work, or for any other net.
            EngineError: the engine failed, or gave values that are not finite.
        """
        colours, own = split_alpha(image)
        image = check_image(colours)
        trimap, odd = take_trimap(trimap, mask, image)
        clock = Clock()
        if journal is None:
            alpha, known = self._sourced(image, trimap, clock)
        else:
            alpha, known = self._resume(image, trimap, clock, journal)
        alpha, known = with_own_alpha(alpha, known, own)
        return Matte(alpha, known, clock.seconds, odd, clock.counts)

    def many(
        self,
        images: Sequence[Bytes],
        trimaps: Sequence[Bytes | None] | None = None,
        *,
        masks: Sequence[NDArray[Any] | None] | None = None,
    ) -> list[Matte]:
        """Matte several pictures; with a ``batch`` their tiles share calls.

        All results are in memory at once. ``timings`` of a matte are its equal share of the whole.

        Args:
            images: uint8 (H, W, 3) or (H, W, 4), as of the call, of any sizes; of none there are
                no mattes.
            trimaps: one a picture, as of the call; by default none.
            masks: the same.

        Raises:
            OptionError: not as many trimaps or masks as pictures; and as the call.
            PictureError, EngineError: as the call.
        """
        split = [split_alpha(image) for image in images]
        mattes = many(self._sourced, [colours for colours, _ in split], trimaps, masks)
        return [_with_own(m, own) for m, (_, own) in zip(mattes, split, strict=True)]

    def _resume(
        self, image: Bytes, trimap: Bytes | None, clock: Clock, journal: Path
    ) -> tuple[Floats, Bytes]:
        manifest = self.bundle.manifest
        inner = require(self.pipeline, Resumable, manifest.model, "a journal")
        known = self._sourced.trimap(image, trimap, clock)
        work = f"{manifest.weights.sha256} {manifest.target} {manifest.precision} {self.engine}"
        return inner.resume(image, known, clock, journal, work)

    def explain(
        self,
        image: Bytes,
        trimap: Bytes | None = None,
        pixel: tuple[int, int] | None = None,
    ) -> Explanation:
        """Of nets whose patches see other patches: what the patch of a pixel looks at.

        Args:
            image: uint8 (H, W, 3), RGB.
            trimap: uint8 (H, W), as of the call.
            pixel: x and y of an unknown pixel; by default one amid many.

        Raises:
            OptionError: any other net, or a pixel that is not unknown.
        """
        image = check_image(split_alpha(image)[0])
        trimap, _ = check_trimap(trimap, image)
        clock = Clock()
        inner = require(self.pipeline, Explains, self.bundle.manifest.model, "an explanation")
        known = self._sourced.trimap(image, trimap, clock)
        found: Explanation = inner.explain(image, known, clock, pixel)
        return found

    def refine(
        self,
        image: Bytes,
        trimap: Bytes | None = None,
        *,
        mask: NDArray[Any] | None = None,
    ) -> Iterator[Matte]:
        """Matte one picture step by step: each matte is better than the one before it.

        Of nets that work in steps every step's matte, the last being what the call gives; of any
        other, its one matte. Arguments and errors are those of the call.
        """
        colours, own = split_alpha(image)
        image = check_image(colours)
        trimap, odd = take_trimap(trimap, mask, image)
        clock = Clock()
        inner = able(self.pipeline, Stepwise)
        if inner is None:
            alpha, known = self._sourced(image, trimap, clock)
            yield _with_own(Matte(alpha, known, clock.seconds, odd, clock.counts), own)
            return
        known = self._sourced.trimap(image, trimap, clock)
        for alpha in inner.steps(image, known, clock):
            matte = Matte(alpha, known, dict(clock.seconds), odd, dict(clock.counts))
            yield _with_own(matte, own)

    def stream(
        self,
        frames: Iterable[Bytes],
        *,
        reuse: bool = True,
        mask: NDArray[Any] | None = None,
    ) -> Generator[Matte, None, None]:
        """Matte the frames of a clip, in their order; host and graph work overlap.

        Args:
            frames: uint8 (H, W, 3), RGB; of any size, which may change.
            reuse: of nets that gain from the frames before: what did not change keeps its alpha.
                False gives exactly what the call gives for each frame alone.
            mask: as of the call, of the first frame alone; all later frames are as without it.

        Raises:
            PictureError: a frame of another shape or dtype; the message says which.
            OptionError: a mask for a bundle that takes no trimap; and as the call.
            EngineError: as the call.
        """
        return stream(self._sourced, frames, reuse=reuse, mask=mask)

    @property
    def reuses(self) -> bool:
        """Whether :meth:`stream` can keep what did not change from one frame to the next."""
        return able(self.pipeline, Streaming) is not None

    def limit(self, **options: Any) -> None:
        """Change the limits of a loaded bundle's work, as `load` takes them, from now on.

        Raises:
            OptionError: a net without such limits, or a value outside of its range.
        """
        name = self.bundle.manifest.model
        inner = require(self.pipeline, Limited, name, " and ".join(options) or "a limit")
        inner.limit(read_load_options(self.variant, options))


def _with_own(matte: Matte, own: Bytes | None) -> Matte:
    alpha, trimap = with_own_alpha(matte.alpha, matte.trimap, own)
    return replace(matte, alpha=alpha, trimap=trimap)
