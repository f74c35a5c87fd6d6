"""Ending a run between two steps when a signal asks for it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ASKING = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
GRACE_S = 60.0  # a step, BatchNorm's statistics and saving are seconds


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


def in_worker() -> None:
    """Set the signals of a worker process, whose parent handles them: none ends it at once.

    Terminals, systemd and Slurm send them to every process of a run, and a worker that ended first
    would take the step that its parent wants to finish with it. SIGTERM ends it `GRACE_S` later,
    for a parent that ends a worker which hangs.
    """
    for number in ASKING:
        signal.signal(number, _end_later if number == signal.SIGTERM else signal.SIG_IGN)


def _end_later(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ending = threading.Timer(GRACE_S, os._exit, (1,))
    ending.daemon = True
    ending.start()
