"""Where the time of a matte goes: seconds by stage, host steps and graphs apart."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up seconds under names such as ``host.reduce`` and ``graph.segment``."""

    def __init__(self) -> None:
        """Starts empty."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the body of a ``with`` statement under ``stage``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
