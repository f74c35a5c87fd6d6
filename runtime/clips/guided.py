"""Frames with trimaps: one for each, or carried on from frame to frame."""

from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from edgematte.arrays import Bytes
from edgematte.errors import FrameError, OptionError, PictureError
from edgematte.runtime.clips.frame import take_frame
from edgematte.runtime.given import take_trimap, with_own_alpha
from edgematte.runtime.given_picture import GreyLike, take_grey
from edgematte.runtime.host.carried_trimap import CarriedTrimap
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import GivenTrimap
from edgematte.runtime.matte import Matte
from edgematte.runtime.overlap import Stage, overlapped
from edgematte.runtime.pipeline import Sourced

if TYPE_CHECKING:
    from edgematte.pictures.reading import Picture

CARRIED = "trimaps carried on"
"""In a matte's counts: 1 where its trimap was made of the frame before."""


@dataclass(frozen=True)
class Guides:
    """What a caller gave: one of the first frame, or one, or None, for each frame."""

    trimap: GreyLike | None = None
    mask: GreyLike | None = None
    trimaps: Iterable[GreyLike | None] | None = None
    masks: Iterable[GreyLike | None] | None = None

    @property
    def first(self) -> bool:
        """Whether there is one of the first frame alone."""
        return self.trimap is not None or self.mask is not None

    @property
    def several(self) -> bool:
        """Whether there are some of all frames."""
        return self.trimaps is not None or self.masks is not None

    def check(self, frames: Iterable[Any]) -> None:
        """Refuse what does not go together.

        Raises:
            OptionError: one beside several, or not as many as frames.
        """
        if self.first and self.several:
            raise OptionError(
                "a trimap or mask of the first frame was given beside those of all frames: put it "
                "among them"
            )
        for given, what in ((self.trimaps, "trimaps"), (self.masks, "masks")):
            if isinstance(given, Sized) and isinstance(frames, Sized) and len(given) != len(frames):
                raise OptionError(
                    f"{len(given)} {what} for {len(frames)} frames: give one, or None, for each"
                )

    def of_frames(self) -> Iterator[tuple[GreyLike | None, GreyLike | None]]:
        """Trimap and mask of each frame."""
        if not self.several:
            return chain([(self.trimap, self.mask)], repeat((None, None)))
        none: Iterable[None] = repeat(None)
        trimaps = none if self.trimaps is None else self.trimaps
        return zip(trimaps, none if self.masks is None else self.masks, strict=False)


@dataclass(frozen=True)
class _Frame:
    number: int
    picture: "Picture"
    trimap: Bytes | None
    odd: int


class Guided:
    """Mattes frames with the trimaps that there are for them."""

    def __init__(
        self, pipeline: Sourced, guides: Guides, *, reuse: bool, carry: bool | None
    ) -> None:
        """See :meth:`edgematte.Matter.stream`.

        Raises:
            OptionError: there is nothing to carry on.
        """
        self._needs = isinstance(pipeline.source, GivenTrimap)
        self._guides, self._pipeline = guides, pipeline.of_clip() if reuse else pipeline
        if carry and not (guides.first or guides.several):
            raise OptionError("carry needs a trimap or mask of a frame to go on from: give one")
        self._ordered = reuse and pipeline.carrying is not None
        self._carried = CarriedTrimap() if carry or (carry is None and self._carries()) else None

    def _carries(self) -> bool:
        return self._needs and self._guides.first

    @property
    def needed(self) -> bool:
        """Whether more than the first frame has to do with given trimaps."""
        return self._guides.several or self._carried is not None or self._carries()

    def mattes(
        self, frames: Iterable[Any], in_flight: int, channel_order: str
    ) -> Generator[Matte, None, None]:
        """The mattes of the frames, in their order."""
        self._guides.check(frames)
        ordered = self._ordered or self._carried is not None

        def prepare(item: tuple[int, Any, GreyLike | None, GreyLike | None]) -> _Frame:
            number, frame, trimap, mask = item
            picture = take_frame(number, frame, channel_order)
            try:
                taken = take_trimap(*take_grey(trimap, mask, picture), picture.pixels)
            except PictureError as error:
                if not number:
                    raise
                raise FrameError(number, f"has no trimap ({error})") from None
            return _Frame(number, picture, *taken)

        infer = Stage(self._infer, 1 if ordered else in_flight)
        with closing(overlapped(self._items(frames), prepare, infer)) as mattes:
            yield from mattes

    def _items(
        self, frames: Iterable[Any]
    ) -> Iterator[tuple[int, Any, GreyLike | None, GreyLike | None]]:
        given = self._guides.of_frames()
        for number, frame in enumerate(frames):
            pair = next(given, None)
            if pair is None:
                raise FrameError(number, "has no trimap: those that were given end before it")
            yield number, frame, *pair

    def _infer(self, frame: _Frame) -> Matte:
        clock, given = Clock(), frame.trimap
        seen = frame.picture.seen
        if given is None and frame.number and self._carried is not None:
            with clock("host.carry"):
                given = self._next(frame.number, seen, self._carried)
            clock.counts[CARRIED] = int(given is not None)
        if given is None and frame.number and self._needs:
            raise FrameError(
                frame.number,
                f"has no trimap, and {self._pipeline.model} needs one: give one for each frame, or "
                "carry them on",
            )
        alpha, trimap = self._pipeline(seen, given, clock)
        if self._carried is not None:
            with clock("host.carry"):
                self._carried.keep(seen, alpha)
        alpha, trimap = with_own_alpha(alpha, trimap, frame.picture.alpha)
        return Matte(alpha, trimap, clock.seconds, frame.odd, clock.counts, frame.picture)

    def _next(self, number: int, seen: Bytes, carried: CarriedTrimap) -> Bytes | None:
        """The trimap carried on; after a cut that of a net which finds its own, None."""
        trimap, why = carried.trimap(seen)
        if trimap is None and self._needs:
            raise FrameError(number, f"{why}: give a trimap or mask of it, too")
        return trimap
