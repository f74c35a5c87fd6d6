"""Runs the stages of a pipeline in threads of their own, each on other items, in order."""

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Any, Generic, TypeVar

from edgematte.errors import OptionError

T = TypeVar("T")

POLL_S = 0.05  # a waiting thread checks this often whether the stream was stopped
LEAVE_S = 1.0  # closing waits this long for the threads that read the items


@dataclass(frozen=True)
class Stage:
    """A stage that works on several items at a time, each in a thread of its own."""

    work: Callable[[Any], Any]
    workers: int = 1


class Left(BaseException):
    """Ends the work on an item of a stream that was stopped."""


_THREAD = threading.local()  # of a stage's thread: the event that is set when its stream is stopped


def leave_if_stopped() -> None:
    """In a stage's thread end the work on an item that nobody waits for any more.

    What takes long calls it between its steps, so that Ctrl-C does not wait for whole pictures.

    Raises:
        Left: the stream of the calling thread was stopped.
    """
    stop: threading.Event | None = getattr(_THREAD, "stop", None)
    if stop is not None and stop.is_set():
        raise Left


class Ahead(Generic[T]):
    """Work begun in a thread of its own while the caller does something else."""

    def __init__(self, work: Callable[[], T]) -> None:
        """``work`` is called at once."""
        self._place = _Place()

        def run() -> None:
            try:
                self._place.fill("item", work())
            except BaseException as error:
                self._place.fill("error", error)

        # Nobody waits for it where the program ends: it may be reading from a terminal.
        threading.Thread(target=run, daemon=True).start()

    def result(self) -> T:
        """What the work returned, as soon as it is done; raises what it raised."""
        kind, value = self._place.wait(threading.Event())
        if kind == "error":
            raise value
        done: T = value
        return done


def overlapped(
    items: Iterable[Any], *stages: Callable[[Any], Any] | Stage, ahead: int = 1
) -> Generator[Any, None, None]:
    """Pass every item through the stages, one after the other, and give the results in order.

    Each stage has its own threads, one where it is a plain function; those of the first stage read
    ``items`` too, one at a time. An error is raised after the results of all items before it.
    Closing the iterator stops the threads: items that are being worked on are finished, or left at
    the next :func:`leave_if_stopped`, and dropped.

    Args:
        items: an item is read only when there is room for it.
        stages: functions of one argument, at least one.
        ahead: how many finished items may wait after each stage.

    Raises:
        OptionError: the process forked since the first item, and the threads are the parent's.
    """
    stop, process = threading.Event(), os.getpid()
    source: _Source | _Line = _Source(items)
    crews = []
    for stage in stages:
        one = stage if isinstance(stage, Stage) else Stage(stage)
        after = _Line(ahead + one.workers, stop)
        crews.append(_Crew(source, one, after, stop))
        source = after
    for crew in crews:
        crew.start()
    try:
        while True:
            if os.getpid() != process:
                raise OptionError(
                    "this stream was started before the process forked, and goes on in the parent "
                    "alone: start a new one in the child"
                )
            kind, value = source.take().wait(stop)
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        if os.getpid() == process:  # a forked child has no such threads
            stop.set()
            for crew in crews:
                crew.join()


class _Place:
    """The place of an item in line, taken before the work on it is done."""

    def __init__(self, kind: str = "", value: Any = None) -> None:
        self._kind, self._value = kind, value
        self._done = threading.Event()
        if kind:
            self._done.set()

    def fill(self, kind: str, value: Any = None) -> None:
        self._kind, self._value = kind, value
        self._done.set()

    def wait(self, stop: threading.Event) -> tuple[str, Any]:
        """``item``, ``error`` or ``end``, and its value."""
        while not self._done.wait(POLL_S):
            if stop.is_set():
                return "end", None
        return self._kind, self._value


class _Line:
    """A bounded queue of places that gives up when its stream was stopped."""

    def __init__(self, length: int, stop: threading.Event) -> None:
        self._queue: Queue[_Place] = Queue(length)
        self._stop = stop

    def put(self, place: _Place) -> bool:
        """Put a place in line; False when the stream was stopped, and nobody will take it."""
        while not self._stop.is_set():
            try:
                self._queue.put(place, timeout=POLL_S)
                return True
            except Full:
                continue
        return False

    def take(self) -> _Place:
        while not self._stop.is_set():
            try:
                return self._queue.get(timeout=POLL_S)
            except Empty:
                continue
        return _Place("end")


class _Source:
    """The items, taken like places of a line."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self._iterator: Iterator[Any] | None = None
        self._ended = False

    def take(self) -> _Place:
        """The next item; after the last one, or an error, ``end``."""
        if self._ended:
            return _Place("end")
        try:
            if self._iterator is None:
                self._iterator = iter(self._items)
            return _Place("item", next(self._iterator))
        except StopIteration:
            self._ended = True
            return _Place("end")
        except BaseException as error:
            self._ended = True
            return _Place("error", error)

    def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


class _Crew:
    """The threads of one stage."""

    def __init__(
        self, source: _Source | _Line, stage: Stage, after: _Line, stop: threading.Event
    ) -> None:
        self._source, self._work, self._after, self._stop = source, stage.work, after, stop
        self._turn = threading.Lock()  # an item and its place in line are taken together
        self._reading = False
        self._here = stage.workers
        self._threads = [
            threading.Thread(target=self._run, daemon=True) for _ in range(stage.workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for the threads, but not long for one that reads: it may be waiting for a camera."""
        latest = time.monotonic() + LEAVE_S
        for thread in self._threads:
            while thread.is_alive() and not (self._reading and time.monotonic() > latest):
                thread.join(POLL_S)

    def _run(self) -> None:
        _THREAD.stop = self._stop
        try:
            while self._one():
                pass
        finally:
            with self._turn:
                self._here -= 1
                if not self._here and isinstance(self._source, _Source):
                    self._source.close()

    def _one(self) -> bool:
        """Work on an item; False after the last one."""
        with self._turn:
            place = _Place()
            if not self._after.put(place):
                return False
            self._reading = isinstance(self._source, _Source)
            taken = self._source.take()
            self._reading = False
        kind, value = taken.wait(self._stop)
        if kind == "item":
            try:
                value = self._work(value)
            except BaseException as error:
                kind, value = "error", error
        place.fill(kind, value)
        return kind == "item"
