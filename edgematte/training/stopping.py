"""Ending a run between two steps when a signal asks for it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ASKING = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


@contextmanager
def on_signal() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether Ctrl-C, SIGTERM or SIGHUP has come since.

    A second signal acts at once, as it did before. A signal that is ignored, such as Ctrl-C in a
    shell's background job, stays ignored. Only the main thread can handle signals.
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
            if handler not in (signal.SIG_IGN, None):  # None: not set by Python, so not restorable
                before[number] = handler
                signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def as_ever() -> None:
    """Set the signals of workers, which inherit handlers: SIGTERM ends them, Ctrl-C is ignored."""
    for number in ASKING:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
