"""Every picture ends in exactly one row, whatever dies: a pool whose workers die as told."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.batch import dispatch
from edgematte.batch.dispatch import ATTEMPTS, CHUNK, DEPTH, ENDS, Dispatch
from edgematte.batch.pool import Died, Event, Finished, Ready
from edgematte.batch.rows import DONE, FAILED, Row
from edgematte.batch.source import Source, Where
from edgematte.batch.worker import Task
from edgematte.errors import BatchError


class Scripted:
    """Workers that end at poisonous pictures, and with their nodes when it is their turn."""

    def __init__(self, workers: int, poison: set[str], nodes_end: Sequence[int] = ()) -> None:
        self.poison, self.nodes_end = poison, deque(nodes_end)
        self.given: dict[int, deque[Sequence[Task]]] = {}
        self.events: deque[Event] = deque()
        self.next, self.turns, self.most = 0, 0, 0
        for _ in range(workers):
            self.start()

    def start(self) -> None:
        self.given[self.next] = deque()
        self.events.append(Ready(self.next))
        self.next += 1

    def submit(self, worker: int, tasks: Sequence[Task]) -> None:
        self.given[worker].append(tasks)
        self.most = max(self.most, sum(len(c) for chunks in self.given.values() for c in chunks))
        assert len(self.given[worker]) <= DEPTH and len(tasks) <= CHUNK

    def wait(self) -> list[Event]:
        if self.events:
            return [self.events.popleft()]
        self.turns += 1
        busy = [worker for worker, chunks in self.given.items() if chunks]
        worker = busy[self.turns % len(busy)]
        with_node = bool(self.nodes_end) and self.turns >= self.nodes_end[0]
        tasks = self.given[worker][0]
        if with_node or any(task.source.path in self.poison for task in tasks):
            if with_node:
                self.nodes_end.popleft()
            del self.given[worker]
            self.start()
            return [Died(worker, with_node)]
        self.given[worker].popleft()
        return [Finished(worker, [row(task) for task in tasks])]


def row(task: Task) -> Row:
    return Row(
        task.source.path, DONE, seconds=(("host", 0.05),), attempts=task.attempts + task.ends + 1
    )


def tasks(count: int) -> list[Task]:
    return [Task(Source(f"{n}", f"{n}", Where(f"{n}")), ()) for n in range(count)]


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(0, 200),
    workers=st.integers(1, 5),
    poison=st.sets(st.integers(0, 199), max_size=4),
    ends=st.lists(st.integers(0, 60), max_size=6),
)
def test_exactly_one_row_a_picture(
    count: int, workers: int, poison: set[int], ends: list[int]
) -> None:
    bad = {str(n) for n in poison if n < count}
    pool = Scripted(workers, bad, sorted(ends))
    rows = list(Dispatch(tasks(count), count, pool).rows())
    assert Counter(row.path for row in rows) == Counter(str(n) for n in range(count))
    assert {row.path for row in rows if row.status == FAILED} == bad
    assert pool.most <= workers * DEPTH * CHUNK


def test_a_picture_that_ends_its_process_is_tried_so_often_and_no_other_is_blamed() -> None:
    rows = {row.path: row for row in Dispatch(tasks(40), 40, Scripted(2, {"30"})).rows()}
    assert rows["30"].attempts == ATTEMPTS
    assert rows["30"].error == f"the process that worked on it ended, {ATTEMPTS} times"
    assert all(row.attempts <= 2 for path, row in rows.items() if path != "30")


def test_the_end_of_a_node_is_no_picture_s_fault() -> None:
    ends = [0] * (ENDS - 1)
    rows = list(Dispatch(tasks(10), 10, Scripted(1, set(), ends)).rows())
    assert len(rows) == 10 and all(row.status == DONE for row in rows)
    assert max(row.attempts for row in rows) > ATTEMPTS  # the first one saw many ends


def test_a_picture_that_ends_its_nodes_is_a_row_in_the_end() -> None:
    (row,) = Dispatch(tasks(1), 1, Scripted(1, set(), [0] * ENDS)).rows()
    assert (row.status, row.attempts) == (FAILED, ENDS)


def test_tasks_are_taken_as_they_are_needed() -> None:
    """Backpressure: the iterable is never far ahead of the rows."""
    taken = 0

    def counted() -> Iterator[Task]:
        nonlocal taken
        for task in tasks(1000):
            taken += 1
            yield task

    done = 0
    for _ in Dispatch(counted(), 1000, Scripted(2, set())).rows():
        done += 1
        # Pictures of 50 ms: ten make a chunk.
        assert taken - done <= 2 * (DEPTH + 1) * dispatch.CHUNK_S / 0.05 + 2


def test_a_worker_can_stop_the_batch_after_its_rows() -> None:
    class Full(Scripted):
        def wait(self) -> list[Event]:
            events = super().wait()
            return [
                Finished(e.worker, e.rows, "no space") if isinstance(e, Finished) else e
                for e in events
            ]

    rows = []
    with pytest.raises(BatchError, match="no space"):
        for found in Dispatch(tasks(5), 5, Full(1, set())).rows():
            rows.append(found)
    assert len(rows) == 1
