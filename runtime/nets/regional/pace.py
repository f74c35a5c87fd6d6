"""What a call of the refining graphs takes: how many of them there is time for."""

import math

KEPT = 0.7  # of the old estimate, when a new time comes
DOUBTED = 0.95  # of an estimate, when a frame had no time for a call of it


class Pace:
    """What a call of the refining graphs takes, and what follows them, from the frames so far."""

    def __init__(self) -> None:
        """No call has been timed yet; see :attr:`timed`."""
        self._call_s: float | None = None
        self._doubted = False
        self._after_s = 0.0

    @property
    def timed(self) -> bool:
        """Whether a call has been timed."""
        return self._call_s is not None

    def saw_calls(self, seconds: float, count: int) -> None:
        """``count`` calls took so long together, with the host's work on their regions."""
        if count:
            old = None if self._doubted else self._call_s
            self._call_s, self._doubted = _mixed(old, seconds / count), False

    def saw_after(self, seconds: float) -> None:
        """What comes after the last call took so long."""
        self._after_s = _mixed(self._after_s or None, seconds)

    def calls(self, left_s: float) -> int:
        """How many calls there is time for."""
        assert self._call_s is not None
        return max(0, math.floor((left_s - self._after_s) / max(self._call_s, 1e-6)))

    def doubt(self) -> None:
        """A frame had no time for a call.

        What a call takes was perhaps measured at a bad moment, and without a call it is never
        measured again: so the estimate shrinks, frame by frame, until one is tried.
        """
        assert self._call_s is not None
        self._call_s, self._doubted = DOUBTED * self._call_s, True


def _mixed(old: float | None, new: float) -> float:
    return new if old is None else KEPT * old + (1 - KEPT) * new
