"""Where the trimap of a picture comes from: the net itself, the caller, or the bundle's stage."""

from typing import Protocol, runtime_checkable

from edgematte.arrays import Bytes
from edgematte.errors import OptionError
from edgematte.runtime.host.clock import Clock


class TrimapSource(Protocol):
    """Gives a pipeline the trimap it is called with."""

    def __call__(self, picture: Bytes, given: Bytes | None, clock: Clock) -> Bytes | None:
        """The trimap (H, W), or None where the net finds its own."""


class Estimator(Protocol):
    """Estimates a trimap."""

    def __call__(self, picture: Bytes, clock: Clock) -> Bytes:
        """Picture (H, W, 3) -> trimap (H, W)."""


@runtime_checkable
class Carrying(Protocol):
    """An estimator that takes something from each frame of a clip to the next."""

    def clip(self) -> Estimator:
        """An estimator for the frames of a new clip, which it is called with in their order."""


class OwnTrimap:
    """For nets that find their own: a given trimap is passed on, for the net to take or refuse."""

    def __call__(self, picture: Bytes, given: Bytes | None, clock: Clock) -> Bytes | None:
        """See :class:`TrimapSource`."""
        return given


class GivenTrimap:
    """For nets that need a trimap, in a bundle without a trimap stage: it must be given."""

    def __init__(self, model: str) -> None:
        """``model`` is named in the error."""
        self.model = model

    def __call__(self, picture: Bytes, given: Bytes | None, clock: Clock) -> Bytes:
        """See :class:`TrimapSource`.

        Raises:
            OptionError: none was given.
        """
        if given is None:
            raise OptionError(
                f"{self.model} needs a trimap: give one, or export the model with a cascade, which "
                "estimates it"
            )
        return given


class EstimatedTrimap:
    """For nets that need a trimap: the given one, or else an estimated one."""

    def __init__(self, estimate: Estimator) -> None:
        """``estimate`` is the bundle's trimap stage, or what stands in for it."""
        self.estimate = estimate

    def __call__(self, picture: Bytes, given: Bytes | None, clock: Clock) -> Bytes:
        """See :class:`TrimapSource`."""
        return self.estimate(picture, clock) if given is None else given
