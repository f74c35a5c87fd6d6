"""What only some nets can do, as protocols, and the one way to ask for it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import OptionError
from edgematte.runtime.host.clock import Clock

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
C = TypeVar("C")


@runtime_checkable
class Stepwise(Protocol):
    """Works in steps, each of which makes the matte better."""

    def steps(self, picture: Bytes, trimap: Bytes, clock: Clock) -> Iterator[Floats]:
        """Alpha (H, W) after each step."""


@runtime_checkable
class Resumable(Protocol):
    """Works patch by patch and can go on where it was stopped."""

    def resume(
        self, picture: Bytes, trimap: Bytes, clock: Clock, journal: Path | None, work: str = ""
    ) -> tuple[Floats, Bytes]:
        """As the call; finished patches are recorded at ``journal`` and taken from there.

        ``work`` names what alpha depends on beside picture, trimap and host section.
        """


@runtime_checkable
class Explains(Protocol):
    """Patches see other patches, and can tell which."""

    def explain(
        self, picture: Bytes, trimap: Bytes, clock: Clock, pixel: tuple[int, int] | None = None
    ) -> Any:
        """What the patch of a pixel (x, y) looks at; by default of one amid many unknown ones."""


@runtime_checkable
class Batched(Protocol):
    """Works on tiles that know nothing of each other: several may share a call."""

    def take(self, batch: int) -> None:
        """Run so many tiles in one call from now on; the graph's batch must be dynamic."""

    def many(
        self, pictures: Sequence[Bytes], trimaps: Sequence[Bytes], clock: Clock
    ) -> list[Floats]:
        """Alpha of every picture (H, W, 3) with its trimap (H, W)."""


class ClipSteps(Protocol):
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
    """Has something to gain from the frames before."""

    def stream(self, *, reuse: bool) -> ClipSteps:
        """The steps of a new clip."""


@runtime_checkable
class Limited(Protocol):
    """Has work whose amount can be limited while the bundle is loaded."""

    def limit(self, options: Any) -> None:
        """Keep to the limits among the net's load options, from now on."""


MEANING = {
    Stepwise: "takes no steps",
    Resumable: "does not work patch by patch with other patches in sight",
    Explains: "has patches that see no other patches",
    Batched: "runs one call at a time",
    Streaming: "has nothing to gain from the frames before",
    Limited: "has no regions whose number could be limited",
}


def able(pipeline: object, capability: type[C]) -> C | None:
    """The pipeline as something that has a capability, or None."""
    return pipeline if isinstance(pipeline, capability) else None


def require(pipeline: object, capability: type[C], model: str, what: str) -> C:
    """The same, for what makes no sense without it.

    Raises:
        OptionError: ``what`` has no meaning for the model; the message says why.
    """
    capable = able(pipeline, capability)
    if capable is None:
        raise OptionError(f"{what} has no meaning for {model}, which {MEANING[capability]}")
    return capable
