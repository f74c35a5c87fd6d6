"""Decoding without Python's warnings, from several threads at once."""

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


class _Quiet:
    """The filters of warnings, which the whole process shares: the first in hides, the last shows.

    Were they changed and put back by every thread, the last thread would put back what another one
    had changed.
    """

    def __init__(self) -> None:
        self.lock, self.inside, self.changed = threading.Lock(), 0, ExitStack()

    def enter(self) -> None:
        with self.lock:
            if not self.inside:
                self.changed.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
            self.inside += 1

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.changed.close()

    def forked(self) -> None:
        """In a child no other thread is inside."""
        self.lock, self.inside = threading.Lock(), 0
        self.changed.close()


_SHARED = _Quiet()
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_SHARED.forked)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide warnings in the body."""
    if getattr(sys.flags, "context_aware_warnings", False):  # a thread has its own, from 3.14 on
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
        return
    _SHARED.enter()
    try:
        yield
    finally:
        _SHARED.leave()
