"""Ending a run between two steps when somebody asks for it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ASKING = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


@contextmanager
def on_signal() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether Ctrl-C, a polite kill or a hangup has come since.

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
    """For workers, which inherit handlers: end when told to, leave what a terminal sends to all
    to the parent."""
    for number in ASKING:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
