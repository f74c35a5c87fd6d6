"""Independent calls side by side: the answers of one call after the other, in the same order."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

import edgematte
from edgematte import testcard
from edgematte.errors import EngineError
from edgematte.runtime.engines import workers
from edgematte.runtime.engines.workers import MOST, Division, in_order
from edgematte.runtime.matter import Matter


@pytest.mark.parametrize("threads", range(1, 40))
def test_threads_are_divided_and_none_is_invented(threads: int) -> None:
    division = Division.of(threads)
    assert 1 <= division.workers <= MOST and division.threads >= 1
    assert threads - division.workers < division.workers * division.threads <= threads


@pytest.mark.parametrize("threads", range(1, MOST + 1))
def test_the_rule_is_never_slower_than_all_threads_on_each_call(threads: int) -> None:
    """Where a call gains nothing from threads, and where half of them are gained.

    A round of calls side by side takes a call's time on one thread; a call alone that over the
    gain.
    """
    division = Division.of(threads)
    for gain in (1.0, max(1.0, threads / 2)):
        for count in range(1, 60):
            together = division.side_by_side(count)
            rounds = -(-together // division.workers)
            assert 0 <= together <= count
            assert rounds + (count - together) / gain <= count / gain + 1e-9


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0)
        return item * item

    found = list(in_order(slow_first, iter(range(20)), count, nullcontext))
    assert found == [n * n for n in range(20)]


def test_items_are_taken_as_there_is_room_for_them() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(50):
            taken.append(n)
            yield n

    results = in_order(lambda n: n, items(), 2, nullcontext)
    for given, _ in enumerate(results):
        assert len(taken) <= given + 4  # two are worked on, one waits, one is the result
    assert len(taken) == 50


def test_so_many_run_at_a_time() -> None:
    """The first two calls wait for each other: with fewer than two at a time they would not end."""
    both = threading.Barrier(2)
    running: list[int] = []
    most = 0

    def meet(n: int) -> int:
        nonlocal most
        running.append(n)
        most = max(most, len(running))
        both.wait(20)
        running.remove(n)
        return n

    assert list(in_order(meet, range(6), 2, nullcontext)) == list(range(6))
    assert most == 2


def test_an_error_comes_after_the_results_before_it_and_ends_the_threads() -> None:
    before = threading.active_count()
    started: list[int] = []

    def fails_at_three(n: int) -> int:
        started.append(n)
        if n == 3:
            raise EngineError("the third failed")
        return n

    results = in_order(fails_at_three, range(100), 2, nullcontext)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(EngineError, match="^the third failed$"):
        next(results)
    assert threading.active_count() == before and len(started) < 8


def test_closing_ends_the_threads() -> None:
    before = threading.active_count()
    results = in_order(lambda n: n, range(100), 4, nullcontext)
    next(results)
    results.close()
    assert threading.active_count() == before


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """It has many patches of the tiny bundle, which are 32 pixels wide."""
    return testcard.testcard(333, 217)


def opened_sessions(matter: Matter) -> int:
    """How many engines of the refining graph are open."""
    refine = matter.pipeline.refine
    return 1 + len(refine.workers._engines if refine.workers else ())


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_alpha_is_bit_for_bit_that_of_one_thread(
    engine: str, threads: int, tiny_bundle: Path, picture: np.ndarray
) -> None:
    pytest.importorskip(engine)
    serial = edgematte.load(tiny_bundle, engine=engine, threads=1)
    matter = edgematte.load(tiny_bundle, engine=engine, threads=threads)
    for _ in range(2):
        one, other = serial(picture), matter(picture)
        np.testing.assert_array_equal(one.alpha, other.alpha)
        np.testing.assert_array_equal(one.trimap, other.trimap)
        assert set(one.timings) == set(other.timings)


def test_the_shipped_net_gives_the_same_bits_whatever_the_threads() -> None:
    pytest.importorskip("onnxruntime")
    picture = testcard.testcard(500, 400)
    mattes = [edgematte.load(threads=n)(picture).alpha for n in (1, 2, 3)]
    np.testing.assert_array_equal(mattes[0], mattes[1])
    np.testing.assert_array_equal(mattes[0], mattes[2])


def test_a_second_session_is_opened_for_several_calls_only(
    tiny_bundle: Path, picture: np.ndarray
) -> None:
    matter = edgematte.load(tiny_bundle, threads=2)
    assert opened_sessions(matter) == 1
    matter(testcard.testcard(20, 20))  # one patch
    assert opened_sessions(matter) == 1
    matter(picture)
    assert opened_sessions(matter) == 2
    matter(picture)
    assert opened_sessions(matter) == 2


def test_one_thread_has_no_workers(tiny_bundle: Path, picture: np.ndarray) -> None:
    matter = edgematte.load(tiny_bundle, threads=1)
    matter(picture)
    assert opened_sessions(matter) == 1 and matter.division == Division(1, 1)


def test_more_threads_than_workers_give_each_worker_a_session(
    tiny_bundle: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = edgematte.load(tiny_bundle, threads=1)(picture).alpha
    monkeypatch.setattr(workers, "MOST", 2)
    matter = edgematte.load(tiny_bundle, threads=4)
    np.testing.assert_array_equal(matter(picture).alpha, wanted)
    assert matter.division == Division(2, 2) and opened_sessions(matter) == 3


def test_a_bundle_that_was_removed_after_loading_still_mattes(
    tiny_bundle: Path, picture: np.ndarray, tmp_path: Path
) -> None:
    """What was loaded is in memory; only the workers' session would have to be opened."""
    pytest.importorskip("onnxruntime")
    copy = tmp_path / "copy.edgematte"
    shutil.copytree(tiny_bundle, copy)
    matter = edgematte.load(copy, engine="onnxruntime", threads=2)
    shutil.rmtree(copy)
    wanted = edgematte.load(tiny_bundle, engine="onnxruntime", threads=1)(picture)
    np.testing.assert_array_equal(matter(picture).alpha, wanted.alpha)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_works_side_by_side_too(tiny_bundle: Path, picture: np.ndarray) -> None:
    """By ONNX Runtime, whose sessions a child opens again."""
    pytest.importorskip("onnxruntime")
    matter = edgematte.load(tiny_bundle, engine="onnxruntime", threads=2)
    wanted = matter(picture).alpha
    child = os.fork()
    if child == 0:
        same = False
        try:
            same = bool((matter(picture).alpha == wanted).all())
        finally:
            os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_failing_call_is_the_same_sentence_with_workers(
    tiny_bundle: Path, picture: np.ndarray
) -> None:
    """Values that are not finite are found in a worker, and told as in the caller's thread."""
    sentences = []
    for threads in (1, 2):
        matter = edgematte.load(tiny_bundle, threads=threads)
        refine = matter.pipeline.refine
        run = refine._from_file
        refine._from_file = lambda arrays, tensor, run=run: run(
            {name: value * np.inf for name, value in arrays.items()}, tensor
        )
        with pytest.raises(EngineError) as caught, np.errstate(all="ignore"):
            matter(picture)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1] == "graph refine gave values of alpha not finite"


@pytest.mark.parametrize(("threads", "in_flight"), [(2, 2), (4, 2)])
def test_pictures_in_flight_share_the_threads_with_their_patches(
    threads: int, in_flight: int, tiny_bundle: Path, picture: np.ndarray
) -> None:
    wanted = edgematte.load(tiny_bundle, threads=1)(picture).alpha
    matter = edgematte.load(tiny_bundle, threads=threads, in_flight=in_flight)
    assert matter.division == Division(threads // in_flight, 1)
    for matte in matter.many([picture] * 4):
        np.testing.assert_array_equal(matte.alpha, wanted)
