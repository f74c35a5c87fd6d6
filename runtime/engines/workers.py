"""Independent calls of a graph, several at a time: how threads are divided, and who runs them.

Small convolutions gain little from a second thread, so that several calls of one thread each are
done sooner than as many calls one after the other, each on all threads. Answers come in the order
of the calls, and they are what one call after the other would give.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray

from edgematte import forks
from edgematte.errors import BundleError
from edgematte.runtime.engines import Arrays, Engine

MOST = 16
"""*Chosen*: calls side by side at most, each of which has its activations in memory."""

REMOTE = 4
"""*Chosen*: calls side by side to a server, so that the way there and back of one call passes while
others are computed."""

A = TypeVar("A")
B = TypeVar("B")
Timed = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Division:
    """How a number of threads is divided among calls that do not depend on each other."""

    workers: int  # calls at a time
    threads: int  # of each; 0: the engine's own, or a server's

    @staticmethod
    def of(threads: int) -> "Division":
        """A thread for each call; more of them only where there are more threads than ``MOST``."""
        workers = min(threads, MOST)
        return Division(workers, threads // workers)

    def side_by_side(self, count: int) -> int:
        """How many of ``count`` calls run side by side; the last ones run alone, on all threads.

        Those are the calls left after full rounds of ``workers``, where they are half a round at
        most: they would leave threads idle.
        """
        left = count % self.workers
        return count - left if 2 * left <= self.workers else count


def usable_cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Crew:
    """What the graphs of a bundle share: so many of their calls run side by side, and no more."""

    def __init__(self, division: Division, pictures: int = 1) -> None:
        """``division`` says how many for each of the ``pictures`` that are worked on at a time."""
        self.division, self.calls = division, division.workers * pictures
        self.room = threading.Semaphore(self.calls)
        forks.watch(self)

    def forked(self) -> None:
        """Calls that were running in the parent do not run here."""
        self.room = threading.Semaphore(self.calls)


class Workers:
    """Engines of one graph for calls side by side, opened when several calls are there at once.

    So a graph that is called once for a picture has no second engine. An engine of one thread runs
    in the threads that call it, and serves all workers: one more copy of the weights in memory.
    Engines of several threads each have a copy of their own.
    """

    def __init__(
        self,
        crew: Crew,
        opened: Callable[[], Engine],
        *,
        several: bool,
        verify: Callable[[], object] | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            crew: of all graphs of the bundle.
            opened: opens an engine.
            several: every worker needs an engine of its own.
            verify: called before; raises BundleError where the file is not what was loaded.
        """
        self.crew, self._verify = crew, verify
        self._opened, self._count = opened, crew.calls if several else 1
        self._engines: list[Engine] = []
        self._idle: list[Engine] = []
        self._lock = threading.Lock()
        forks.watch(self)

    def open(self) -> bool:
        """Open the engines, once; False where the bundle has gone or changed since it was loaded.

        Raises:
            EngineError: an engine cannot be opened.
        """
        with self._lock:
            if not self._engines:
                try:
                    if self._verify is not None:
                        self._verify()
                except BundleError:
                    return False
                self._engines = [self._opened() for _ in range(self._count)]
                self._idle = list(self._engines)
            return True

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Inputs by name -> outputs by name, in the calling thread, as soon as there is room."""
        with self.crew.room:
            if self._count == 1:
                return self._engines[0].run(inputs)
            engine = self._idle.pop()
            try:
                return engine.run(inputs)
            finally:
                self._idle.append(engine)

    def forked(self) -> None:
        """The engines open themselves again; none is in use."""
        self._idle, self._lock = list(self._engines), threading.Lock()


def in_order(
    work: Callable[[A], B], items: Iterable[A], workers: int, timed: Timed
) -> Generator[B, None, None]:
    """What ``work`` makes of the items, in their order; so many are worked on at a time.

    An item more than that is taken from ``items``, in the caller's thread, so that no worker waits
    for the host. An error is raised after the results of all items before it; the threads end with
    the iterator, after the items that they are working on.

    Args:
        work: called in threads.
        items: taken one by one, as there is room for them.
        workers: threads.
        timed: a context in which the caller waits for a result.
    """
    waiting: deque[Future[B]] = deque()
    pool = ThreadPoolExecutor(workers, "edgematte-worker")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                with timed():
                    done = waiting.popleft().result()
                yield done
        while waiting:
            with timed():
                done = waiting.popleft().result()
            yield done
    finally:
        pool.shutdown(cancel_futures=True)
