"""Importing what the extras of the package hold: one sentence where it is missing."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from edgematte.errors import EdgematteError


@contextmanager
def importing(sentence: str, pip_line: str, kind: type[EdgematteError]) -> Iterator[None]:
    """Import packages of an extra in the body of this context.

    A Ctrl-C meanwhile is obeyed once the import has ended: the initialisation of compiled modules
    turns it into an ImportError that says nothing of it, or swallows it.

    Args:
        sentence: what cannot be done, and what is missing.
        pip_line: how to install it.
        kind: of the error.

    Raises:
        EdgematteError: of ``kind``: a package is missing.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    try:
        with _interrupts_wait():
            yield
    except ImportError as error:
        raise kind(f"{sentence} ({error}): {pip_line}") from None


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Hand SIGINT to its handler when the body has ended, whatever it ended with."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    seen: list[FrameType | None] = []
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # ignored, or not Python's to handle
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if seen:
            before(signal.SIGINT, seen[0])
