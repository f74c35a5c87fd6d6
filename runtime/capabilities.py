"""What only some nets can do, as protocols, and the one way to ask for it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.runtime.host.clock import Clock

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
        """Matte as the call does, but read and record finished patches in the file ``journal``.

        ``work`` names everything else that alpha depends on, beside the picture, the trimap and the
        host section.
        """


@runtime_checkable
class Explains(Protocol):
    """Its patches look at other patches, and it can say at which."""

    def explain(
        self, picture: Bytes, trimap: Bytes, clock: Clock, pixel: tuple[int, int] | None = None
    ) -> Any:
        """What the patch of a pixel (x, y) looks at; by default a pixel amid many unknown ones."""


@runtime_checkable
class Batched(Protocol):
    """Works on tiles that do not depend on each other, so that several may share a call."""

    def take(self, batch: int) -> None:
        """Run ``batch`` tiles in one call from now on; the graph's batch must be dynamic."""

    def many(
        self, pictures: Sequence[Bytes], trimaps: Sequence[Bytes], clock: Clock
    ) -> list[Floats]:
        """Alpha of every picture (H, W, 3) with its trimap (H, W)."""


class ClipSteps(Protocol):
    """The work on a frame, in three parts that may run on three frames at the same time.

    Each part sees the frames in their order and is called from one thread only.
    """

    def prepare(self, picture: Bytes) -> Any:
        """Host work before the graphs."""

    def infer(self, prepared: Any) -> Any:
        """The graphs, and the host work between them."""

    def finish(self, inferred: Any) -> tuple[Floats, Bytes, Clock]:
        """Host work after the graphs -> alpha (H, W), trimap (H, W), and the frame's clock."""


@runtime_checkable
class Streaming(Protocol):
    """Can reuse what it computed for earlier frames of a clip."""

    def stream(self, *, reuse: bool) -> ClipSteps:
        """The steps of a new clip."""


@runtime_checkable
class Limited(Protocol):
    """Does work whose amount can be limited, and the limit changed, after loading."""

    def limit(self, options: Any) -> None:
        """Keep to these limits from now on; ``options`` are load options of the net."""


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
    """The pipeline as something that has a capability; an error where it has not.

    Raises:
        OptionError: ``what`` has no meaning for the model; the message says why.
    """
    capable = able(pipeline, capability)
    if capable is None:
        raise OptionError(f"{what} has no meaning for {model}, which {MEANING[capability]}")
    return capable
