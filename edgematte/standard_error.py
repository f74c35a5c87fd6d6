"""Keeping compiled libraries from writing to standard error.

They write to the descriptor itself, past ``sys.stderr``, lines that they have no setting for.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

DESCRIPTOR = 2
_LOCK = threading.RLock()


@contextmanager
def muted() -> Iterator[None]:
    """Drop what is written to standard error while the body runs, by whatever thread.

    Errors are not affected: libraries raise them. The body should be short, or be the only work of
    the process.
    """
    with _LOCK:
        try:
            kept = os.dup(DESCRIPTOR)
        except OSError:  # the process has no standard error
            yield
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, DESCRIPTOR)
            yield
        finally:
            os.dup2(kept, DESCRIPTOR)
            os.close(kept)
            os.close(nothing)
