"""Matting the frames of a clip: reading, graphs and the work after the graphs overlap."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.errors import PictureError
from edgematte.runtime.capabilities import ClipSteps, Streaming, able
from edgematte.runtime.given import check_image, split_alpha, take_trimap, with_own_alpha
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.matte import Matte
from edgematte.runtime.overlap import Stage, overlapped
from edgematte.runtime.pipeline import Sourced


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
    trimap: Bytes | None = None,
    mask: NDArray[Any] | None = None,
    in_flight: int = 1,
) -> Generator[Matte, None, None]:
    """A matte for every frame; see :meth:`edgematte.Matter.stream`.

    Where frames do not depend on each other, ``in_flight`` are matted at a time.
    """
    numbered: Iterator[tuple[int, Any]] = enumerate(frames)
    if trimap is not None or mask is not None:
        for number, frame in numbered:
            yield _with_trimap(pipeline, number, frame, trimap, mask)
            break
    inner = able(pipeline.pipeline, Streaming)
    if inner is None:
        steps: ClipSteps = Alone(pipeline.of_clip() if reuse else pipeline)
    else:
        steps = inner.stream(reuse=reuse)
    own: SimpleQueue[Bytes | None] = SimpleQueue()  # alpha channels of frames not yet matted

    def prepare(counted: tuple[int, Any]) -> Any:
        number, frame = counted
        colours, alpha = split_alpha(frame)
        own.put(alpha)
        return steps.prepare(check_frame(number, colours))

    ordered = inner is not None or (reuse and pipeline.carrying is not None)
    infer = Stage(steps.infer, 1 if ordered else in_flight)
    with closing(overlapped(numbered, prepare, infer)) as inferred:
        for one in inferred:
            alpha, used, clock = steps.finish(one)
            alpha, used = with_own_alpha(alpha, used, own.get())
            yield Matte(alpha, used, clock.seconds, 0, clock.counts)


def _with_trimap(
    pipeline: Sourced,
    number: int,
    frame: Any,
    trimap: Bytes | None,
    mask: NDArray[Any] | None,
) -> Matte:
    """The matte of a frame with a trimap: of that frame alone, by the whole pipeline."""
    colours, own = split_alpha(frame)
    picture = check_frame(number, colours)
    given, odd = take_trimap(trimap, mask, picture)
    clock = Clock()
    alpha, used = with_own_alpha(*pipeline(picture, given, clock), own)
    return Matte(alpha, used, clock.seconds, odd, clock.counts)


def check_frame(number: int, frame: Any) -> Bytes:
    """The frame as a uint8 (H, W, 3) array; ``number`` counts from 0.

    Raises:
        PictureError: saying which frame it is and what came instead.
    """
    array = np.asarray(frame)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise PictureError(
            f"frame {number} holds values that are not finite; frames should be uint8 (H, W, 3) RGB"
        )
    try:
        return check_image(array)
    except PictureError as error:
        raise PictureError(f"frame {number}: {error}") from None
