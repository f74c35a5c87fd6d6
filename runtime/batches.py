"""Several pictures at once: their tiles share calls of the graph."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from edgematte.arrays import Bytes
from edgematte.errors import OptionError
from edgematte.runtime.capabilities import Batched, able
from edgematte.runtime.given import take_trimap
from edgematte.runtime.given_picture import GreyLike, take_grey
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.matte import Matte
from edgematte.runtime.overlap import Stage, overlapped
from edgematte.runtime.pipeline import Sourced

if TYPE_CHECKING:
    from edgematte.pictures.reading import Picture

T = TypeVar("T")


def many(
    pipeline: Sourced,
    images: "Sequence[Picture]",
    trimaps: Sequence[GreyLike | None] | None,
    masks: Sequence[GreyLike | None] | None = None,
    in_flight: int = 1,
) -> list[Matte]:
    """See :meth:`edgematte.runtime.matter.Matter.many`.

    Nets whose tiles cannot share calls work on ``in_flight`` pictures at a time.
    """
    given: Iterator[tuple[GreyLike | None, GreyLike | None]] = zip(
        _one_each(trimaps, len(images), "trimaps"),
        _one_each(masks, len(images), "masks"),
        strict=True,
    )
    if not images:
        return []
    pictures = [image.seen for image in images]
    read = [
        take_trimap(*take_grey(trimap, mask, image), image.pixels)
        for (trimap, mask), image in zip(given, images, strict=True)
    ]
    inner = able(pipeline.pipeline, Batched)
    if inner is None:
        taken = zip(pictures, read, strict=True)
        if in_flight == 1:
            return [_one(pipeline, i, *t) for i, t in taken]
        stage = Stage(lambda given: _one(pipeline, given[0], *given[1]), in_flight)
        with closing(overlapped(taken, stage, ahead=len(pictures))) as mattes:
            return list(mattes)
    clock = Clock()
    used = [pipeline.trimap(i, t, clock) for i, (t, _) in zip(pictures, read, strict=True)]
    alphas = inner.many(pictures, used, clock)
    share = {stage: seconds / len(images) for stage, seconds in clock.seconds.items()}
    rows = zip(alphas, used, read, strict=True)
    return [Matte(alpha, trimap, dict(share), odd) for alpha, trimap, (_, odd) in rows]


def _one_each(given: Sequence[T | None] | None, count: int, what: str) -> list[T | None]:
    if given is None:
        return [None] * count
    if len(given) != count:
        raise OptionError(f"{len(given)} {what} for {count} pictures: give one for each")
    return list(given)


def _one(pipeline: Sourced, image: Bytes, trimap: Bytes | None, odd: int) -> Matte:
    clock = Clock()
    alpha, used = pipeline(image, trimap, clock)
    return Matte(alpha, used, clock.seconds, odd, clock.counts)
