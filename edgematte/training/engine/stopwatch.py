"""Seconds that a run has trained, without those in which its process was stopped."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

CONTINUE = getattr(signal, "SIGCONT", None)  # not on Windows


class Stopwatch:
    """Adds up the times of steps; a step in which the process was stopped counts as the last."""

    def __init__(self, seconds: float = 0.0) -> None:
        """``seconds`` that are on it already."""
        self.seconds = seconds
        self._last, self._usual, self._stopped = time.monotonic(), 0.0, False

    def lap(self) -> float:
        """A step has ended; all seconds so far."""
        now = time.monotonic()
        step = self._usual if self._stopped else now - self._last
        self.seconds += step
        self._last, self._usual, self._stopped = now, step, False
        return self.seconds

    def continued(self) -> None:
        """The process goes on after it was stopped."""
        self._stopped = True


@contextmanager
def running(seconds: float) -> Iterator[Stopwatch]:
    """A watch that hears of SIGCONT, where there is one and this is the main thread."""
    watch = Stopwatch(seconds)
    if CONTINUE is None or threading.current_thread() is not threading.main_thread():
        yield watch
        return
    before = signal.signal(CONTINUE, lambda number, frame: watch.continued())
    try:
        yield watch
    finally:
        signal.signal(CONTINUE, before)
