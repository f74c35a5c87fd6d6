"""Matting the frames of a clip: reading, graphs and what follows them overlap."""

from collections.abc import Generator, Iterable
from contextlib import closing
from queue import SimpleQueue
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import PictureError
from edgematte.runtime.clock import Clock
from edgematte.runtime.given import check_image, split_alpha, with_own_alpha
from edgematte.runtime.matter import Matte
from edgematte.runtime.overlap import overlapped
from edgematte.runtime.pipeline import Pipeline

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


class Steps(Protocol):
    """What is done with a frame, in three parts that may work on three frames at once.

    Each part sees the frames in their order and is called from one thread only.
    """

    def prepare(self, picture: Bytes) -> Any:
        """Host work before the graphs."""

    def infer(self, prepared: Any) -> Any:
        """The graphs, and the host work between them."""

    def finish(self, inferred: Any) -> tuple[Floats, Bytes, Clock]:
        """Host work after the graphs -> alpha (H, W), trimap (H, W), and what was timed."""


@runtime_checkable
class Streaming(Protocol):
    """A pipeline that has something to gain from the frames before."""

    def stream(self, *, reuse: bool) -> Steps:
        """The steps of a new clip."""


class Alone:
    """Any other pipeline: every frame alone, while the next one is read."""

    def __init__(self, pipeline: Pipeline) -> None:
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
    pipeline: Pipeline, frames: Iterable[Any], *, reuse: bool = True
) -> Generator[Matte, None, None]:
    """A matte for every frame; see :meth:`edgematte.Matter.stream`."""
    steps: Steps = Alone(pipeline)
    if isinstance(pipeline, Streaming):
        steps = pipeline.stream(reuse=reuse)

    own: SimpleQueue[Bytes | None] = SimpleQueue()  # the frames' alphas wait for their mattes

    def prepare(numbered: tuple[int, Any]) -> Any:
        number, frame = numbered
        colours, alpha = split_alpha(frame)
        own.put(alpha)
        return steps.prepare(check_frame(number, colours))

    with closing(overlapped(enumerate(frames), prepare, steps.infer)) as inferred:
        for one in inferred:
            alpha, trimap, clock = steps.finish(one)
            alpha, trimap = with_own_alpha(alpha, trimap, own.get())
            yield Matte(alpha, trimap, clock.seconds, 0, clock.counts)


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
