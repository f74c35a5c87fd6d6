"""What happened on one run: seconds by stage, counts, and what the host chose."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray


class Clock:
    """Adds up seconds under names such as ``host.reduce`` and ``graph.segment``."""

    def __init__(self) -> None:
        """Starts empty."""
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, int] = {}  # of what was worked on: regions found, refined, kept
        self.choices: dict[str, NDArray[Any]] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the body of a ``with`` statement under ``stage``."""
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
        """Record a discrete choice that a graph's rounding can flip; gives what to go on with.

        That is ``value``, but for a check, which gives every engine the same choices.
        """
        self.choices[name] = value
        return value
