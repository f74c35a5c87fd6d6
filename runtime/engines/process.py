"""An engine that was opened before a fork is opened again in the child.

A child can call its parent's session, on one thread; but closing the session waits for threads that
do not exist in the child; see ``edgematte.forks``.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from edgematte import forks

Run = Callable[[Mapping[str, NDArray[Any]]], dict[str, NDArray[Any]]]
"""What an opened engine does: inputs by name -> outputs by name."""


class ProcessEngine:
    """One graph's engine, opened once in every process that runs it; safe to call from threads."""

    def __init__(self, opened: Callable[[], Run], verify: Callable[[], object] | None) -> None:
        """Open the engine.

        Args:
            opened: opens an engine and returns its ``run``; raises in a child that may not open it.
            verify: called in a forked child before it opens the engine; raises if the file changed.
        """
        self._opened, self._verify = opened, verify
        self._run: Run | None = opened()
        self._lock = threading.Lock()
        forks.watch(self)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name.

        Raises:
            EngineError: the engine failed, or cannot be opened again in this forked process.
            BundleError: its file has changed since it was opened before the fork.
        """
        return (self._run or self._run_of_child())(inputs)

    def forked(self) -> None:
        """Do not touch the parent's engine; the first call opens another."""
        if self._run is not None:
            forks.keep(self._run)
        self._run, self._lock = None, threading.Lock()

    def _run_of_child(self) -> Run:
        with self._lock:
            if self._run is None:
                if self._verify is not None:
                    self._verify()
                self._run = self._opened()
            return self._run
