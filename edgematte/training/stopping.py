"""Ending a run between two steps when somebody asks for it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ASKING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_signal() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether Ctrl-C or a polite kill has come since.

    The second time either acts as it did before, at once. What ignores Ctrl-C, such as a shell's
    background job, goes on ignoring it; and only the main thread can listen at all.
    """
    before: dict[int, Any] = {}
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        for number in ASKING:
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):  # None: not of Python, cannot be put back
                before[number] = handler
                signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def as_ever() -> None:
    """For workers, which inherit handlers: end when told to, leave Ctrl-C to the parent."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
