"""Stages in threads: order, errors, how far they run ahead, and how they stop."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edgematte.runtime import overlap
from edgematte.runtime.overlap import Stage, leave_if_stopped, overlapped


def threads() -> int:
    return threading.active_count()


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("stages", [1, 2, 4])
def test_every_item_goes_through_every_stage_in_order(count: int, stages: int) -> None:
    before = threads()
    found = list(overlapped(range(count), *[lambda n: n * 3 + 1] * stages))
    wanted = list(range(count))
    for _ in range(stages):
        wanted = [n * 3 + 1 for n in wanted]
    assert found == wanted
    time.sleep(0.1)
    assert threads() <= before


def test_a_stage_sees_one_item_at_a_time_and_always_in_the_same_thread() -> None:
    seen: list[tuple[str, int]] = []

    def noted(name: str, n: int) -> int:
        seen.append((name, threading.get_ident()))
        return n

    list(overlapped(range(20), lambda n: noted("a", n), lambda n: noted("b", n)))
    by_name = {name: {i for k, i in seen if k == name} for name in "ab"}
    assert len(by_name["a"]) == len(by_name["b"]) == 1 and by_name["a"] != by_name["b"]


def test_stages_overlap() -> None:
    """Both stages are inside at the same time: each waits for the other."""
    meeting = threading.Barrier(2, timeout=10)

    def first(n: int) -> int:
        if n == 1:
            meeting.wait()
        return n

    def second(n: int) -> int:
        if n == 0:
            meeting.wait()
        return n

    assert list(overlapped(range(3), first, second)) == [0, 1, 2]


def test_no_more_is_read_than_needed() -> None:
    read: list[int] = []

    def source() -> Iterator[int]:
        for n in range(100):
            read.append(n)
            yield n

    given = overlapped(source(), lambda n: n, lambda n: n, ahead=1)
    assert next(given) == 0
    time.sleep(0.3)
    assert len(read) <= 6  # given, one waiting and one worked on in each stage, one read
    given.close()


@pytest.mark.parametrize("place", ["source", "first", "second"])
def test_an_error_comes_in_its_place(place: str) -> None:
    def fail(n: int, here: str) -> int:
        if n == 3 and here == place:
            raise ValueError(f"in the {here}")
        return n

    def source() -> Iterator[int]:
        for n in range(10):
            yield fail(n, "source")

    given = overlapped(source(), lambda n: fail(n, "first"), lambda n: fail(n, "second"))
    assert [next(given) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match=f"in the {place}"):
        next(given)
    with pytest.raises(StopIteration):
        next(given)


def test_closing_stops_the_threads_and_the_source() -> None:
    before, closed = threads(), threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    given = overlapped(source(), lambda n: n, lambda n: n)
    next(given)
    given.close()
    assert closed.wait(5)
    for _ in range(100):
        if threads() <= before:
            break
        time.sleep(0.02)
    assert threads() <= before


def test_a_source_that_never_answers_does_not_hold_up_the_end() -> None:
    never = threading.Event()

    def camera() -> Iterator[int]:
        yield 1
        never.wait()

    given = overlapped(camera(), lambda n: n, lambda n: n)
    assert next(given) == 1
    started = time.perf_counter()
    given.close()
    assert time.perf_counter() - started < 5
    never.set()


# Several workers in a stage


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_of_several_workers_are_in_order_whichever_ends_first(workers: int) -> None:
    random = np.random.default_rng(workers).permutation(60) / 20_000

    def work(n: int) -> int:
        time.sleep(random[n])
        return n * n

    stages = Stage(work, workers), Stage(lambda n: n + 1, workers), lambda n: -n
    assert list(overlapped(iter(range(60)), *stages)) == [-(n * n + 1) for n in range(60)]


def test_workers_work_at_the_same_time_and_never_more_than_there_are() -> None:
    meeting, inside, most = threading.Barrier(3, timeout=10), [], 0

    def work(n: int) -> int:
        nonlocal most
        inside.append(n)
        most = max(most, len(inside))
        meeting.wait()  # broken unless three are here
        inside.remove(n)
        return n

    assert list(overlapped(range(9), Stage(work, 3))) == list(range(9))
    assert most == 3


def test_an_error_of_a_worker_comes_after_what_was_before_it_and_ends_the_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    def work(n: int) -> int:
        time.sleep(0.02 if n == 2 else 0)  # 4 is done before 2
        if n == 4:
            raise ValueError("four")
        return n

    given = overlapped(source(), Stage(work, 3))
    assert [next(given) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="four"):
        next(given)
    assert closed.wait(5)


@pytest.mark.parametrize("before", [0, 1])
def test_closing_waits_for_the_cleaning_up_of_work_and_not_for_the_rest_of_it(
    before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a program could end while a file is half-written, or go on for minutes."""
    monkeypatch.setattr(overlap, "LEAVE_S", 0.0)  # is for threads that read
    begun, cleaned = threading.Event(), threading.Event()

    def work(n: int) -> int:
        if n == 0:
            return n
        begun.set()
        try:
            for _ in range(100):
                leave_if_stopped()
                time.sleep(0.1)
        finally:
            time.sleep(0.3)
            cleaned.set()
        return n

    given = overlapped(range(3), *[lambda n: n] * before, Stage(work, 1))
    assert next(given) == 0 and begun.wait(5)
    started = time.perf_counter()
    given.close()
    assert cleaned.is_set() and time.perf_counter() - started < 5


def test_outside_of_a_stream_nothing_is_left() -> None:
    leave_if_stopped()
