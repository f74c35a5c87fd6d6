"""A loaded bundle: matte pictures one by one, several at once, step by step, or as a clip."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.host import Host
from edgematte.manifest import Difference
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
from edgematte.runtime.engines.graph import GraphCall
from edgematte.runtime.engines.workers import Division
from edgematte.runtime.given import take_trimap, with_own_alpha
from edgematte.runtime.given_picture import GreyLike, PictureLike, take_grey, take_picture
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.explanation import Explanation
from edgematte.runtime.host.trimap_source import GivenTrimap
from edgematte.runtime.matte import Matte
from edgematte.runtime.net_options import read_load_options
from edgematte.runtime.pipeline import Sourced

if TYPE_CHECKING:
    from edgematte.pictures.reading import Picture
    from edgematte.runtime.proof.choice import EngineChoice


class Matter:
    """A loaded bundle. Call it with pictures, from any number of threads.

    As a context manager it is closed at the end of the block; see :meth:`close`.
    """

    in_flight = 1
    """How many pictures :meth:`many` and :meth:`stream` work on at a time; see `load`."""
    device = "cpu"
    """The engine's device."""
    engine_choice: "EngineChoice | None" = None
    """Why this engine, where `load` was asked for `engine="auto"` or `verify`; else None."""

    def __init__(
        self,
        bundle: Bundle,
        variant: Variant,
        pipeline: Sourced,
        engine: str,
        division: Division | None = None,
        graphs: Mapping[str, GraphCall] | None = None,
    ) -> None:
        """Use :func:`edgematte.load`, which makes the parts that this constructor takes."""
        self.bundle, self.variant, self.engine = bundle, variant, engine
        self.division = division or Division(1, 0)
        self.host: Host = bundle.manifest.host
        self._opened: Sourced | None = pipeline
        self._graphs = graphs or {}

    @property
    def _sourced(self) -> Sourced:
        if self._opened is None:
            raise OptionError("this Matter was closed: load the bundle again to go on")
        return self._opened

    def close(self) -> None:
        """Let go of the graphs and their memory; calls after it raise OptionError.

        A call that another thread is in ends as if nothing had happened. Closing twice is fine.
        """
        self._opened, self._graphs = None, {}

    def prove(self) -> list[Difference]:
        """Run the golden call of every graph now, on the graphs as they are opened.

        Returns:
            How far each output is from what was recorded at export.

        Raises:
            ToleranceError: one is outside the tolerance, with figures.
            EngineError: a graph failed, or gave values that are not finite.
            BundleError: a golden record is missing or damaged by now.
            OptionError: this Matter was closed.
        """
        from edgematte.runtime.proof.trial import prove, records_of  # a matte needs none of it

        assert self._sourced
        where = f"engine {self.engine} on {self.device}"
        return prove(self.bundle.manifest, self._graphs, records_of(self.bundle), where)

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
        image: PictureLike,
        trimap: GreyLike | None = None,
        *,
        mask: GreyLike | None = None,
        journal: Path | None = None,
        channel_order: str = "RGB",
    ) -> Matte:
        """Matte one picture.

        Examples:
            >>> import edgematte
            >>> from edgematte.testcard import testcard
            >>> with edgematte.load() as matter:
            ...     matte = matter(testcard(64, 48))  # or "photo.jpg", a PIL image, a tensor
            >>> matte.alpha.shape, matte.alpha.dtype.name
            ((48, 64), 'float32')
            >>> matte.image().mode
            'RGBA'

        Args:
            image: uint8 (H, W, 3), RGB; or (H, W, 4) with an alpha channel of its own: the matte is
                multiplied by it, so that what it clears stays clear. An array with any strides, a
                tensor, or whatever shares its memory by DLPack or ``__array_interface__``; it is
                not copied. Or a PIL image, the path of a file, or a file opened as bytes: these are
                turned upright, as their EXIF says, and converted to RGB.
            trimap: uint8 (H, W), 0 background, 128 unknown, 255 foreground, or a file or PIL image
                of one; None: it is estimated.
            mask: (h, w) in place of a trimap, of any size with the picture's proportions, binary or
                soft, as :func:`edgematte.trimap_from_mask` takes it, which has more options; or a
                file or PIL image of one.
            journal: for nets whose patches look at other patches: a file in which finished patches
                are recorded; the same call with the same file goes on after a stop. Remove the file
                when you have the result.
            channel_order: of an array's channels: RGB, or BGR, as OpenCV has them.

        Raises:
            PictureError: another shape or dtype, a file that cannot be read, a trimap of another
                size, or a mask of other proportions or values.
            OptionError: a trimap or mask for a bundle that cannot take one; neither for a net that
                needs one, in a bundle without a trimap stage; both at once; a journal of another
                picture or bundle, or for a net that keeps none.
            EngineError: the engine failed, or gave values that are not finite.
        """
        picture = take_picture(image, channel_order)
        given, odd = take_trimap(*take_grey(trimap, mask, picture), picture.pixels)
        clock = Clock()
        if journal is None:
            alpha, used = self._sourced(picture.seen, given, clock)
        else:
            alpha, used = self._resume(picture.seen, given, clock, journal)
        return _of(Matte(alpha, used, clock.seconds, odd, clock.counts), picture)

    def many(
        self,
        images: Sequence[PictureLike],
        trimaps: Sequence[GreyLike | None] | None = None,
        *,
        masks: Sequence[GreyLike | None] | None = None,
        channel_order: str = "RGB",
    ) -> list[Matte]:
        """Matte several pictures; in a bundle loaded with ``batch`` their tiles share calls.

        In one loaded with ``in_flight`` so many are worked on at a time. All results are in memory
        at once. Where tiles share calls, the ``timings`` of every matte are the total time divided
        by the number of pictures.

        Args:
            images: as the call takes them, of any sizes; an empty sequence gives an empty list.
            trimaps: one for each picture, as the call takes them; by default none.
            masks: one for each picture, as the call takes them; by default none.
            channel_order: as the call takes it, of all arrays.

        Raises:
            OptionError: not as many trimaps or masks as pictures; also as the call.
            PictureError, EngineError: as the call.
        """
        pictures = [take_picture(image, channel_order) for image in images]
        mattes = many(self._sourced, pictures, trimaps, masks, self.in_flight)
        return [_of(*pair) for pair in zip(mattes, pictures, strict=True)]

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
        image: PictureLike,
        trimap: GreyLike | None = None,
        pixel: tuple[int, int] | None = None,
        *,
        mask: GreyLike | None = None,
        channel_order: str = "RGB",
    ) -> Explanation:
        """What the patch of a pixel looks at, for nets whose patches look at other patches.

        Args:
            image: as the call takes it.
            trimap: as the call takes it.
            pixel: x and y of an unknown pixel; by default one amid many unknown ones.
            mask: in place of a trimap, as the call takes it.
            channel_order: as the call takes it.

        Raises:
            OptionError: the net is none of these, the pixel is not unknown, or a trimap and a mask
                were given.
            PictureError: as the call.
        """
        picture = take_picture(image, channel_order)
        given, _ = take_trimap(*take_grey(trimap, mask, picture), picture.pixels)
        clock = Clock()
        inner = require(self.pipeline, Explains, self.bundle.manifest.model, "an explanation")
        used = self._sourced.trimap(picture.seen, given, clock)
        explanation: Explanation = inner.explain(picture.seen, used, clock, pixel)
        return explanation

    def refine(
        self,
        image: PictureLike,
        trimap: GreyLike | None = None,
        *,
        mask: GreyLike | None = None,
        channel_order: str = "RGB",
    ) -> Iterator[Matte]:
        """Matte one picture step by step: each matte is better than the one before it.

        A net that works in steps gives a matte for each step, and the last one is what the call
        gives; any other net gives its one matte. Arguments and errors are those of the call.
        """
        picture = take_picture(image, channel_order)
        given, odd = take_trimap(*take_grey(trimap, mask, picture), picture.pixels)
        clock = Clock()
        inner = able(self.pipeline, Stepwise)
        if inner is None:
            alpha, used = self._sourced(picture.seen, given, clock)
            yield _of(Matte(alpha, used, clock.seconds, odd, clock.counts), picture)
            return
        used = self._sourced.trimap(picture.seen, given, clock)
        for alpha in inner.steps(picture.seen, used, clock):
            matte = Matte(alpha, used, dict(clock.seconds), odd, dict(clock.counts))
            yield _of(matte, picture)

    def stream(
        self,
        frames: Iterable[PictureLike],
        *,
        reuse: bool = True,
        trimap: GreyLike | None = None,
        mask: GreyLike | None = None,
        trimaps: Iterable[GreyLike | None] | None = None,
        masks: Iterable[GreyLike | None] | None = None,
        carry: bool | None = None,
        channel_order: str = "RGB",
    ) -> Generator[Matte, None, None]:
        """Matte the frames of a clip, in their order; host and graph work overlap.

        Args:
            frames: pictures as the call takes them, of any size; the size may change from frame to
                frame.
            reuse: keep the alpha of what did not change since earlier frames, for nets that can,
                and the states of recurrent nets. False gives exactly what the call gives for each
                frame alone.
            trimap: of the first frame alone, as the call takes it.
            mask: of the first frame alone, in place of a trimap.
            trimaps: one for each frame, or None; in step with the frames, and read as they are.
            masks: one for each frame, or None, in place of trimaps.
            carry: a frame without a trimap gets one that is made from the alpha of the frame before
                it (docs/sequences.md says how, and where that fails); a later trimap or mask is
                gone on from. None: only where the net needs a trimap and nothing else makes one,
                if ``trimap`` or ``mask`` was given.
            channel_order: as the call takes it, of all frames.

        Raises:
            PictureError: a frame of another shape or dtype; the message says which.
            FrameError: a frame without a trimap, for a net that needs one; one of another scene or
                size than the frame before it, to which none is carried on. Mattes of the frames
                before it have been given.
            OptionError: a trimap or mask for a bundle that takes none; not as many as frames, where
                both have a length; nothing to carry on; and as the call.
            EngineError: as the call.
        """
        return stream(
            self._sourced,
            frames,
            reuse=reuse,
            trimap=trimap,
            mask=mask,
            trimaps=trimaps,
            masks=masks,
            carry=carry,
            in_flight=self.in_flight,
            channel_order=channel_order,
        )

    @property
    def needs_trimap(self) -> bool:
        """Whether a picture has to come with a trimap: the net needs one and nothing makes it."""
        return isinstance(self._sourced.source, GivenTrimap)

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


def _of(matte: Matte, picture: "Picture") -> Matte:
    """The matte of a picture, with its own alpha, that a pipeline gave for its colours."""
    alpha, trimap = with_own_alpha(matte.alpha, matte.trimap, picture.alpha)
    return replace(matte, alpha=alpha, trimap=trimap, picture=picture)
