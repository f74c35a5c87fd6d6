"""Handing pictures to workers that may die, so that every picture ends in exactly one row.

A worker has at most two chunks: the one it works on and the next, so that it never waits and memory
stays bounded. When it dies, the chunk that it worked on is handed out again one picture at a time,
and a picture that a process died with three times is a row with that error. The end of a whole node
is hardly a picture's fault, and is borne with more often.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator

from edgematte.batch.pool import Died, Finished, Pool, Ready
from edgematte.batch.rows import FAILED, Row
from edgematte.batch.worker import Task
from edgematte.errors import BatchError

log = logging.getLogger(__name__)

DEPTH = 2
ATTEMPTS = 3
"""*Chosen*: deaths of the process that a picture is worth; a fault of the machine rarely comes so
often with one picture."""
ENDS = 10
"""*Chosen*: ends of the node that a picture is worth: it may need more memory than any has."""
CHUNK_S, CHUNK = 0.5, 64
"""*Chosen*: a chunk takes about so many seconds, and has so many pictures at most."""
WEIGHT = 0.2  # of the last chunk in the mean seconds of a picture


class Dispatch:
    """One run over all tasks of a batch; `since`: when its first worker was ready, as seconds of
    `time.perf_counter`."""

    def __init__(self, tasks: Iterable[Task], count: int, pool: Pool) -> None:
        """``count`` tasks are taken from the iterable as workers come free."""
        self.tasks, self.left, self.pool = iter(tasks), count, pool
        self.again: deque[list[Task]] = deque()
        self.given: dict[int, deque[list[Task]]] = {}
        self.seconds: float | None = None  # of a picture
        self.begun, self.since = False, time.perf_counter()

    def rows(self) -> Iterator[Row]:
        """The row of every picture, as they come.

        Raises:
            BatchError: as `Pool.wait`; or a worker says that the batch cannot go on.
        """
        while self._fill():
            for event in self.pool.wait():
                if isinstance(event, Ready):
                    self._started()
                    self.given[event.worker] = deque()
                elif isinstance(event, Finished):
                    self.given[event.worker].popleft()
                    self._learn(event.rows)
                    yield from event.rows
                    if event.stop:
                        raise BatchError(event.stop)
                else:
                    yield from self._bury(event)

    def _started(self) -> None:
        """Count the time from the first worker on."""
        if not self.begun:
            self.begun, self.since = True, time.perf_counter()

    def _fill(self) -> bool:
        """Give every worker its chunks; whether any picture is left to wait for."""
        for depth in range(DEPTH):
            for worker, chunks in self.given.items():
                if len(chunks) == depth and (chunk := self._chunk()):
                    chunks.append(chunk)
                    self.pool.submit(worker, chunk)
        if any(self.given.values()):
            return True
        if not self.again and (chunk := self._chunk()):
            self.again.append(chunk)  # there is no worker yet
        return bool(self.again)

    def _chunk(self) -> list[Task]:
        if self.again:
            return self.again.popleft()
        size = 1 if self.seconds is None else int(CHUNK_S / max(self.seconds, 1e-6))
        share = self.left // (2 * DEPTH * max(1, len(self.given)))  # so that all end together
        chunk: list[Task] = []
        while len(chunk) < max(1, min(size, CHUNK, share)) and (task := next(self.tasks, None)):
            chunk.append(task)
        self.left -= len(chunk)
        return chunk

    def _learn(self, rows: Iterable[Row]) -> None:
        """Follow how long a picture takes."""
        took = [sum(s for _, s in row.seconds) for row in rows]
        if took:
            mean = sum(took) / len(took)
            former = mean if self.seconds is None else self.seconds
            self.seconds = (1 - WEIGHT) * former + WEIGHT * mean

    def _bury(self, event: Died) -> Iterator[Row]:
        chunks = self.given.pop(event.worker, None)
        if not chunks:
            return
        lost = sum(len(chunk) for chunk in chunks)
        log.info(
            "a worker ended%s; pictures given to others: %d",
            " with its node" if event.with_node else "",
            lost,
        )
        blamed = chunks.popleft()
        self.again.extend(chunks)
        for task in blamed:
            if event.with_node:
                task = task._replace(ends=task.ends + 1)
            else:
                task = task._replace(attempts=task.attempts + 1)
            if task.attempts < ATTEMPTS and task.ends < ENDS:
                self.again.append([task])
            else:
                yield _row(task)


def _row(task: Task) -> Row:
    times = task.attempts + task.ends
    error = f"the process that worked on it ended, {times} times"
    return Row(task.source.path, FAILED, error, attempts=times)
