"""A loaded bundle: matte pictures one by one, several at once, step by step, or as a clip."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
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
from edgematte.runtime.engines.workers import Division
from edgematte.runtime.given import (
    check_image,
    split_alpha,
    take_trimap,
    with_own_alpha,
)
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.explanation import Explanation
from edgematte.runtime.matte import Matte
from edgematte.runtime.net_options import read_load_options
from edgematte.runtime.pipeline import Sourced


class Matter:
    """A loaded bundle. Call it with pictures, from any number of threads.

    As a context manager it is closed at the end of the block; see :meth:`close`.
    """

    in_flight = 1
    """How many pictures :meth:`many` and :meth:`stream` work on at a time; see `load`."""

    def __init__(
        self,
        bundle: Bundle,
        variant: Variant,
        pipeline: Sourced,
        engine: str,
        division: Division | None = None,
    ) -> None:
        """Use :func:`edgematte.load`, which makes the parts that this constructor takes."""
        self.bundle, self.variant, self.engine = bundle, variant, engine
        self.division = division or Division(1, 0)
        self.host: Host = bundle.manifest.host
        self._opened: Sourced | None = pipeline

    @property
    def _sourced(self) -> Sourced:
        if self._opened is None:
            raise OptionError("this Matter was closed: load the bundle again to go on")
        return self._opened

    def close(self) -> None:
        """Let go of the graphs and their memory; calls after it raise OptionError.

        A call that another thread is in ends as if nothing had happened. Closing twice is fine.
        """
        self._opened = None

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied.

        Raises:
            OptionError: says what to do instead.
        """
        raise OptionError(
            "a Matter cannot be pickled or copied: its graphs live in the process that loaded "
            "them; give other processes the path of the bundle, and call edgematte.load there"
        )

    def __enter__(self) -> "Matter":
        """The Matter itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def pipeline(self) -> Any:
        """The net's own pipeline, which may have some of `edgematte.runtime.capabilities`."""
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
            image: uint8 (H, W, 3), RGB; or (H, W, 4) with an alpha channel of its own: the matte is
                multiplied by it, so that what it clears stays clear.
            trimap: uint8 (H, W), 0 background, 128 unknown, 255 foreground; None: it is estimated.
            mask: (h, w) in place of a trimap, of any size with the picture's proportions, binary or
                soft, as :func:`edgematte.trimap_from_mask` takes it, which has more options.
            journal: for nets whose patches look at other patches: a file in which finished patches
                are recorded; the same call with the same file goes on after a stop. Remove the file
                when you have the result.

        Raises:
            PictureError: another shape or dtype, a trimap of another size, or a mask of other
                proportions or values.
            OptionError: a trimap or mask for a bundle that cannot take one; neither for a net that
                needs one, in a bundle without a trimap stage; both at once; a journal of another
                picture or bundle, or for a net that keeps none.
            EngineError: the engine failed, or gave values that are not finite.
        """
        colours, own = split_alpha(image)
        image = check_image(colours)
        trimap, odd = take_trimap(trimap, mask, image)
        clock = Clock()
        if journal is None:
            alpha, used = self._sourced(image, trimap, clock)
        else:
            alpha, used = self._resume(image, trimap, clock, journal)
        alpha, used = with_own_alpha(alpha, used, own)
        return Matte(alpha, used, clock.seconds, odd, clock.counts)

    def many(
        self,
        images: Sequence[Bytes],
        trimaps: Sequence[Bytes | None] | None = None,
        *,
        masks: Sequence[NDArray[Any] | None] | None = None,
    ) -> list[Matte]:
        """Matte several pictures; in a bundle loaded with ``batch`` their tiles share calls.

        In one loaded with ``in_flight`` so many are worked on at a time. All results are in memory
        at once. Where tiles share calls, the ``timings`` of every matte are the total time divided
        by the number of pictures.

        Args:
            images: as the call takes them, uint8 (H, W, 3) or (H, W, 4), of any sizes; an empty
                sequence gives an empty list.
            trimaps: one for each picture, as the call takes them; by default none.
            masks: one for each picture, as the call takes them; by default none.

        Raises:
            OptionError: not as many trimaps or masks as pictures; also as the call.
            PictureError, EngineError: as the call.
        """
        split = [split_alpha(image) for image in images]
        colours = [colours for colours, _ in split]
        mattes = many(self._sourced, colours, trimaps, masks, self.in_flight)
        return [_with_own(m, own) for m, (_, own) in zip(mattes, split, strict=True)]

    def _resume(
        self, image: Bytes, trimap: Bytes | None, clock: Clock, journal: Path
    ) -> tuple[Floats, Bytes]:
        manifest = self.bundle.manifest
        inner = require(self.pipeline, Resumable, manifest.model, "a journal")
        used = self._sourced.trimap(image, trimap, clock)
        work = f"{manifest.weights.sha256} {manifest.target} {manifest.precision} {self.engine}"
        return inner.resume(image, used, clock, journal, work)

    def explain(
        self,
        image: Bytes,
        trimap: Bytes | None = None,
        pixel: tuple[int, int] | None = None,
        *,
        mask: NDArray[Any] | None = None,
    ) -> Explanation:
        """What the patch of a pixel looks at, for nets whose patches look at other patches.

        Args:
            image: uint8 (H, W, 3), RGB.
            trimap: uint8 (H, W), as the call takes it.
            pixel: x and y of an unknown pixel; by default one amid many unknown ones.
            mask: in place of a trimap, as the call takes it.

        Raises:
            OptionError: the net is none of these, the pixel is not unknown, or a trimap and a mask
                were given.
            PictureError: as the call.
        """
        image = check_image(split_alpha(image)[0])
        trimap, _ = take_trimap(trimap, mask, image)
        clock = Clock()
        inner = require(self.pipeline, Explains, self.bundle.manifest.model, "an explanation")
        used = self._sourced.trimap(image, trimap, clock)
        explanation: Explanation = inner.explain(image, used, clock, pixel)
        return explanation

    def refine(
        self,
        image: Bytes,
        trimap: Bytes | None = None,
        *,
        mask: NDArray[Any] | None = None,
    ) -> Iterator[Matte]:
        """Matte one picture step by step: each matte is better than the one before it.

        A net that works in steps gives a matte for each step, and the last one is what the call
        gives; any other net gives its one matte. Arguments and errors are those of the call.
        """
        colours, own = split_alpha(image)
        image = check_image(colours)
        trimap, odd = take_trimap(trimap, mask, image)
        clock = Clock()
        inner = able(self.pipeline, Stepwise)
        if inner is None:
            alpha, used = self._sourced(image, trimap, clock)
            yield _with_own(Matte(alpha, used, clock.seconds, odd, clock.counts), own)
            return
        used = self._sourced.trimap(image, trimap, clock)
        for alpha in inner.steps(image, used, clock):
            matte = Matte(alpha, used, dict(clock.seconds), odd, dict(clock.counts))
            yield _with_own(matte, own)

    def stream(
        self,
        frames: Iterable[Bytes],
        *,
        reuse: bool = True,
        trimap: Bytes | None = None,
        mask: NDArray[Any] | None = None,
    ) -> Generator[Matte, None, None]:
        """Matte the frames of a clip, in their order; host and graph work overlap.

        Args:
            frames: uint8 (H, W, 3), RGB, of any size; the size may change from frame to frame.
            reuse: keep the alpha of what did not change since earlier frames, for nets that can,
                and the states of recurrent nets. False gives exactly what the call gives for each
                frame alone.
            trimap: of the first frame alone, as the call takes it.
            mask: of the first frame alone, in place of a trimap.

        Raises:
            PictureError: a frame of another shape or dtype; the message says which.
            OptionError: a trimap or mask for a bundle that takes none; and as the call.
            EngineError: as the call.
        """
        return stream(
            self._sourced,
            frames,
            reuse=reuse,
            trimap=trimap,
            mask=mask,
            in_flight=self.in_flight,
        )

    @property
    def reuses(self) -> bool:
        """Whether :meth:`stream` takes something from frames to later ones: alpha, or states."""
        return able(self.pipeline, Streaming) is not None or self._sourced.carrying is not None

    def limit(self, **options: Any) -> None:
        """Limit the work on each picture from now on, by the same options that `load` takes.

        Raises:
            OptionError: a net without such limits, or a value outside of its range.
        """
        name = self.bundle.manifest.model
        inner = require(self.pipeline, Limited, name, " and ".join(options) or "a limit")
        inner.limit(read_load_options(self.variant, options))


def _with_own(matte: Matte, own: Bytes | None) -> Matte:
    alpha, trimap = with_own_alpha(matte.alpha, matte.trimap, own)
    return replace(matte, alpha=alpha, trimap=trimap)
