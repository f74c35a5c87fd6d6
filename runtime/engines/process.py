"""Engines by process: what was opened before a fork is opened again in the child.

Calls of the parent's session seem to work in a child, on one thread, but ending it waits for
threads that are not there; see ``edgematte.forks``.
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
            opened: opens an engine and gives its ``run``; raises where a child may not.
            verify: called in a forked child before; raises where the file has changed.
        """
        self._opened, self._verify = opened, verify
        self._run: Run | None = opened()
        self._lock = threading.Lock()
        forks.watch(self)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name.

        Raises:
            EngineError: the engine failed, or cannot be opened again in this forked process.
            BundleError: its file is no longer the one that was opened before the fork.
        """
        return (self._run or self._run_of_child())(inputs)

    def forked(self) -> None:
        """Leave the parent's engine alone; the first call opens another."""
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
