"""A record of one run: seconds of each stage, counts, and the choices the host made."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from edgematte.runtime.overlap import leave_if_stopped


class Clock:
    """Adds up seconds under names such as ``host.reduce`` and ``graph.segment``."""

    def __init__(self) -> None:
        """Starts empty."""
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, int] = {}  # such as how many regions were found, refined and kept
        self.choices: dict[str, NDArray[Any]] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the body of a ``with`` statement under ``stage``.

        In a stream that was stopped the work on the picture ends here.
        """
        leave_if_stopped()
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    @property
    def total(self) -> float:
        """Seconds of all stages so far."""
        return sum(self.seconds.values())

    def choose(self, name: str, value: NDArray[Any]) -> NDArray[Any]:
        """Record a discrete choice that rounding in a graph can flip, and return the one to use.

        That is ``value``; only a check returns another, because it makes every engine use the same
        choices.
        """
        self.choices[name] = value
        return value
