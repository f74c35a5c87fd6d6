"""How long a call of the refining graphs takes, and for how many calls there is time."""

import math

KEPT = 0.7  # weight of the old estimate when a new time is measured
DOUBTED = 0.95  # factor of the estimate after a frame that had no time for a call


class Pace:
    """Estimates from earlier frames how long a call takes, and the work after the calls."""

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
        """Learn that ``count`` calls, with the host's work on their regions, took ``seconds``."""
        if count:
            old = None if self._doubted else self._call_s
            self._call_s, self._doubted = _mixed(old, seconds / count), False

    def saw_after(self, seconds: float) -> None:
        """Learn that the work after the last call took ``seconds``."""
        self._after_s = _mixed(self._after_s or None, seconds)

    def calls(self, left_s: float) -> int:
        """For how many calls there is time in ``left_s`` seconds."""
        assert self._call_s is not None
        return max(0, math.floor((left_s - self._after_s) / max(self._call_s, 1e-6)))

    def doubt(self) -> None:
        """Lower the estimate, because a frame had no time for a single call.

        The estimate may come from a bad moment, and without calls it is never measured again. So it
        shrinks with every such frame until a call is tried.
        """
        assert self._call_s is not None
        self._call_s, self._doubted = DOUBTED * self._call_s, True


def _mixed(old: float | None, new: float) -> float:
    return new if old is None else KEPT * old + (1 - KEPT) * new
