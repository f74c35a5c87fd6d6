"""Importing packages that come with extras, with one sentence if one is missing."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from edgematte.errors import EdgematteError


@contextmanager
def importing(sentence: str, pip_line: str, kind: type[EdgematteError]) -> Iterator[None]:
    """Import packages of an extra in the body of this context.

    Ctrl-C is handled only after the import: while compiled modules initialise themselves it would
    be lost, or would become an ImportError that does not mention it.

    Args:
        sentence: says what cannot be done, and what is missing.
        pip_line: how to install it.
        kind: the class of the error.

    Raises:
        EdgematteError: a package is missing; the error is of class ``kind``.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    try:
        with _interrupts_wait():
            yield
    except ImportError as error:
        raise kind(f"{sentence} ({error}): {pip_line}") from None


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Hold SIGINT back until the body has ended, with or without an error."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    seen: list[FrameType | None] = []
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # it is ignored, or not handled by Python
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if seen:
            before(signal.SIGINT, seen[0])
