"""Matting the frames of a clip: reading, graphs and the work after the graphs overlap."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from edgematte.arrays import Bytes, Floats
from edgematte.ranges import check_options
from edgematte.runtime.capabilities import ClipSteps, Streaming, able
from edgematte.runtime.clips.frame import take_frame
from edgematte.runtime.clips.guided import Guided, Guides
from edgematte.runtime.given import take_trimap, with_own_alpha
from edgematte.runtime.given_picture import GreyLike, take_grey
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.matte import Matte
from edgematte.runtime.overlap import Stage, overlapped
from edgematte.runtime.pipeline import Sourced

if TYPE_CHECKING:
    from edgematte.pictures.reading import Picture


class Alone:
    """The steps of a pipeline in one: several frames may be worked on at a time."""

    def __init__(self, pipeline: Sourced) -> None:
        """``pipeline`` matts one picture."""
        self._pipeline = pipeline

    def prepare(self, picture: Bytes) -> Bytes:
        """Nothing to do."""
        return picture

    def infer(self, picture: Bytes) -> tuple[Floats, Bytes, Clock]:
        """The whole pipeline."""
        clock = Clock()
        return *self._pipeline(picture, None, clock), clock

    def finish(self, inferred: tuple[Floats, Bytes, Clock]) -> tuple[Floats, Bytes, Clock]:
        """Nothing to do."""
        return inferred


def stream(
    pipeline: Sourced,
    frames: Iterable[Any],
    *,
    reuse: bool = True,
    trimap: GreyLike | None = None,
    mask: GreyLike | None = None,
    trimaps: Iterable[GreyLike | None] | None = None,
    masks: Iterable[GreyLike | None] | None = None,
    carry: bool | None = None,
    in_flight: int = 1,
    channel_order: str = "RGB",
) -> Generator[Matte, None, None]:
    """A matte for every frame; see :meth:`edgematte.Matter.stream`.

    Where frames do not depend on each other, ``in_flight`` are matted at a time.
    """
    check_options(channel_order=channel_order)
    guides = Guides(trimap, mask, trimaps, masks)
    guided = Guided(pipeline, guides, reuse=reuse, carry=carry)
    if guided.needed:
        yield from guided.mattes(frames, in_flight, channel_order)
        return
    numbered: Iterator[tuple[int, Any]] = enumerate(frames)
    if trimap is not None or mask is not None:
        for number, frame in numbered:
            yield _with_trimap(pipeline, take_frame(number, frame, channel_order), trimap, mask)
            break
    inner = able(pipeline.pipeline, Streaming)
    if inner is None:
        steps: ClipSteps = Alone(pipeline.of_clip() if reuse else pipeline)
    else:
        steps = inner.stream(reuse=reuse)
    waiting: SimpleQueue[Picture] = SimpleQueue()  # frames that are not matted yet

    def prepare(counted: tuple[int, Any]) -> Any:
        picture = take_frame(*counted, channel_order)
        waiting.put(picture)
        return steps.prepare(picture.seen)

    ordered = inner is not None or (reuse and pipeline.carrying is not None)
    infer = Stage(steps.infer, 1 if ordered else in_flight)
    with closing(overlapped(numbered, prepare, infer)) as inferred:
        for one in inferred:
            alpha, used, clock = steps.finish(one)
            yield _of(waiting.get(), alpha, used, clock, 0)


def _with_trimap(
    pipeline: Sourced, picture: "Picture", trimap: GreyLike | None, mask: GreyLike | None
) -> Matte:
    """The matte of a frame with a trimap: of that frame alone, by the whole pipeline."""
    given, odd = take_trimap(*take_grey(trimap, mask, picture), picture.pixels)
    clock = Clock()
    alpha, used = pipeline(picture.seen, given, clock)
    return _of(picture, alpha, used, clock, odd)


def _of(picture: "Picture", alpha: Floats, trimap: Bytes, clock: Clock, odd: int) -> Matte:
    """The matte of a frame with its own alpha."""
    alpha, trimap = with_own_alpha(alpha, trimap, picture.alpha)
    return Matte(alpha, trimap, clock.seconds, odd, clock.counts, picture)
