"""What every model's host side offers: a pipeline over its graphs, and its steps by name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgematte.runtime.clock import Clock

ROWS = 64  # of a picture that are converted at a time, so that they stay in the cache
Step = Callable[..., dict[str, NDArray[Any]]]
"""A host step as a function of named arrays, for golden records and ports of the host."""


class Pipeline(Protocol):
    """Picture (H, W, 3) uint8 RGB, trimap (H, W) or None -> alpha (H, W), trimap (H, W)."""

    def __call__(
        self, picture: NDArray[np.uint8], trimap: NDArray[np.uint8] | None, clock: Clock
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Run host steps and graphs; stages are timed on ``clock``."""


@runtime_checkable
class Resumable(Protocol):
    """A pipeline that works patch by patch and can go on where it was stopped."""

    def limit_memory(self, megabytes: float) -> None:
        """Keep at most so much of the patches' features in memory (1e6 bytes), from now on."""

    def resume(
        self,
        picture: NDArray[np.uint8],
        trimap: NDArray[np.uint8],
        clock: Clock,
        journal: Path | None,
        work: str = "",
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """As the call; finished patches are recorded at ``journal`` and taken from there.

        ``work`` names what alpha depends on beside picture, trimap and host parameters.
        """

    def explain(
        self,
        picture: NDArray[np.uint8],
        trimap: NDArray[np.uint8],
        clock: Clock,
        pixel: tuple[int, int] | None = None,
    ) -> Any:
        """What the patch of a pixel looks at: an ``edgematte.runtime.explanation.Explanation``."""


@runtime_checkable
class Batched(Protocol):
    """A pipeline on tiles that know nothing of each other: several may share a call."""

    def take(self, batch: int) -> None:
        """Run so many tiles in one call from now on; the graph's batch must be dynamic."""

    def many(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        trimaps: Sequence[NDArray[np.uint8]],
        clock: Clock,
    ) -> list[NDArray[np.float32]]:
        """Alpha of every picture (H, W, 3) with its trimap (H, W)."""


def to_input(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Picture (h, w, 3) uint8 -> graph input (1, 3, h, w) float32 in [0, 1]."""
    image = np.empty((1, 3, *picture.shape[:2]), np.float32)
    for top in range(0, len(picture), ROWS):
        strip = picture[top : top + ROWS].astype(np.float32)
        strip *= np.float32(1 / 255)
        image[0, :, top : top + ROWS] = strip.transpose(2, 0, 1)
    return image
