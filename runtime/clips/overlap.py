"""Runs the stages of a pipeline in threads of their own, each on another item, in order."""

import os
import threading
from collections.abc import Callable, Generator, Iterable
from queue import Empty, Full, Queue
from typing import Any

from edgematte.errors import OptionError

POLL_S = 0.05  # a waiting thread checks this often whether the stream was stopped
LEAVE_S = 1.0  # closing waits this long for the thread that reads the items


def overlapped(
    items: Iterable[Any], *stages: Callable[[Any], Any], ahead: int = 1
) -> Generator[Any, None, None]:
    """Pass every item through the stages, one after the other, and give the results in order.

    Reading ``items`` and the first stage share a thread; every other stage has its own. An error is
    raised after the results of all items before it. Closing the iterator stops the threads; items
    that are being worked on are finished and dropped.

    Args:
        items: an item is read only when there is room for it.
        stages: functions of one argument, at least one.
        ahead: how many items may wait before each stage.

    Raises:
        OptionError: the process forked since the first item, and the threads are the parent's.
    """
    stop, process = threading.Event(), os.getpid()
    queues = [_Line(ahead, stop) for _ in stages]
    threads = [threading.Thread(target=_read, args=(items, stages[0], queues[0]), daemon=True)]
    for stage, before, after in zip(stages[1:], queues, queues[1:], strict=False):
        threads.append(threading.Thread(target=_work, args=(before, stage, after), daemon=True))
    for thread in threads:
        thread.start()
    try:
        while True:
            if os.getpid() != process:
                raise OptionError(
                    "this stream was started before the process forked, and goes on in the parent "
                    "alone: start a new one in the child"
                )
            kind, value = queues[-1].take()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        if os.getpid() == process:  # a forked child has no such threads
            stop.set()
            threads[0].join(LEAVE_S)  # it may be waiting for a camera
            for thread in threads[1:]:
                thread.join()


class _Line:
    """A bounded queue that gives up when its stream was stopped."""

    def __init__(self, length: int, stop: threading.Event) -> None:
        self._queue: Queue[tuple[str, Any]] = Queue(length)
        self._stop = stop

    def put(self, kind: str, value: Any = None) -> bool:
        """Put a value in line; False when the stream was stopped, and nobody will take it."""
        while not self._stop.is_set():
            try:
                self._queue.put((kind, value), timeout=POLL_S)
                return True
            except Full:
                continue
        return False

    def take(self) -> tuple[str, Any]:
        while not self._stop.is_set():
            try:
                return self._queue.get(timeout=POLL_S)
            except Empty:
                continue
        return "end", None


def _read(items: Iterable[Any], stage: Callable[[Any], Any], after: _Line) -> None:
    iterator = None
    try:
        iterator = iter(items)
        for item in iterator:
            if not after.put("item", stage(item)):
                break
        else:
            after.put("end")
    except BaseException as error:
        after.put("error", error)
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


def _work(before: _Line, stage: Callable[[Any], Any], after: _Line) -> None:
    while True:
        kind, value = before.take()
        if kind == "item":
            try:
                value = stage(value)
            except BaseException as error:
                kind, value = "error", error
        if not after.put(kind, value) or kind != "item":
            return
