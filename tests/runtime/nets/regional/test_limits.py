"""Limits of the regional pipeline, on graphs that take a known time of a clock of their own."""

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgematte
from edgematte.arrays import Floats
from edgematte.errors import OptionError
from edgematte.nets import find
from edgematte.runtime.capabilities import Limited
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.net_options import read_load_options
from edgematte.runtime.nets.regional.host import Options, RegionsHost
from edgematte.runtime.nets.regional.pace import Pace
from edgematte.runtime.nets.regional.pipeline import Regions, pipeline
from edgematte.runtime.nets.regional.regions import trimap_entropy

N, ROWS, COLUMNS = 4, 6, 8
HOST = RegionsHost(
    size=(8 * COLUMNS, 8 * ROWS),
    regions=N,
    k=2,
    search_range=1,
    aliasing=False,
    bias_table=((0.0,), (0.0,)),
)
COARSE_S, ENCODE_S, REFINE_S = 0.05, 0.004, 0.006
PICTURE = np.zeros((8 * ROWS, 8 * COLUMNS, 3), np.uint8)


class Graphs:
    """Refined alpha is 1, coarse alpha is 0; ``unknown`` is P(unknown) of the cells."""

    def __init__(self, unknown: Floats, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
        self.now, self.unknown = 0.0, unknown
        if monkeypatch:
            monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def coarse(self, image: Floats) -> dict[str, Floats]:
        self.now += COARSE_S
        rest = (1 - self.unknown) / 2
        return {
            "alpha": np.zeros((1, 1, 8 * ROWS, 8 * COLUMNS), np.float32),
            "cell_alpha": np.zeros((1, 1, ROWS, COLUMNS), np.float32),
            "cell_trimap": np.stack([rest, self.unknown, rest])[None],
        }

    def encode(self, region: Floats) -> dict[str, Floats]:
        self.now += ENCODE_S
        zeros = np.zeros((N, 1, 2, 2), np.float32)
        return {"token": region[:, :1, 0, 0], "skip8": zeros, "skip4": zeros, "skip2": zeros}

    def refine(self, **inputs: Floats) -> dict[str, Floats]:
        self.now += REFINE_S
        return {"cell": np.ones((N, 1, 8, 8), np.float32)}

    def pipeline(self, host: RegionsHost = HOST) -> Regions:
        table: dict[str, Any] = {
            "coarse": self.coarse,
            "encode": self.encode,
            "refine": self.refine,
        }
        made = pipeline(host, table)
        assert isinstance(made, Regions) and isinstance(made, Limited)
        return made


def unknowns(seed: int = 0) -> Floats:
    """All cells unknown, no two of them equally so."""
    random = np.random.default_rng(seed)
    return np.linspace(0.4, 0.9, ROWS * COLUMNS, dtype=np.float32)[
        random.permutation(ROWS * COLUMNS)
    ].reshape(ROWS, COLUMNS)


def refined_cells(alpha: Floats) -> NDArray[np.bool_]:
    cells = alpha.reshape(ROWS, 8, COLUMNS, 8)
    assert ((cells == 1).all(axis=(1, 3)) | (cells == 0).all(axis=(1, 3))).all()
    refined: NDArray[np.bool_] = cells[:, 0, :, 0] == 1
    return refined


@pytest.mark.parametrize("most", [0, 1, 5, 47, 48, 1000])
def test_the_most_uncertain_regions_are_refined(most: int) -> None:
    graphs, clock = Graphs(unknowns()), Clock()
    made = graphs.pipeline()
    made.limit(Options(max_regions=most))
    alpha, trimap = made(PICTURE, None, clock)
    refined = refined_cells(alpha)
    assert refined.sum() == min(most, 48) == clock.counts["regions refined"]
    assert clock.counts["regions found"] == 48 and (trimap == 128).all()
    rest = (1 - unknowns()) / 2
    entropy = trimap_entropy(np.stack([rest, unknowns(), rest]))
    if 0 < most < 48:
        assert entropy[refined].min() > entropy[~refined].max()


@pytest.mark.parametrize(
    ("budget_ms", "calls"),
    [(1, 0), (50, 0), (59, 0), (61, 1), (85, 3), (169, 11), (171, 12), (1e6, 12)],
)
def test_a_time_is_kept_to(budget_ms: float, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The coarse net takes 50 ms in any case, four regions 10 ms; host steps take none here."""
    graphs, clock = Graphs(unknowns(), monkeypatch), Clock()
    made = graphs.pipeline()
    made.limit(Options(budget_ms=budget_ms))
    started = graphs.now
    alpha, _ = made(PICTURE, None, clock)
    assert refined_cells(alpha).sum() == clock.counts["regions refined"] == N * calls
    taken = 1000 * (graphs.now - started)
    assert taken == pytest.approx(50 + 10 * calls)
    assert taken <= max(budget_ms, 50) + 1e-6


def test_a_pace_that_changes_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that becomes four times slower: the budget holds again after a few frames."""
    graphs = Graphs(unknowns(), monkeypatch)
    made = graphs.pipeline()
    made.limit(Options(budget_ms=150))
    refine = graphs.refine

    def slow(**inputs: Floats) -> dict[str, Floats]:
        graphs.now += 0.03
        return refine(**inputs)

    made.refiner.graphs = {**made.refiner.graphs, "refine": slow}
    taken = []
    for _ in range(12):
        started = graphs.now
        made(PICTURE, None, Clock())
        taken.append(1000 * (graphs.now - started))
    assert taken[0] > 150 and max(taken[6:]) <= 150 and min(taken[6:]) > 100


def test_an_estimate_of_a_bad_moment_is_not_believed_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls were four times as slow when they were timed: 30 ms are left, 40 a call it seems."""
    graphs = Graphs(unknowns(), monkeypatch)
    made = graphs.pipeline()
    refine = graphs.refine

    def slow(**inputs: Floats) -> dict[str, Floats]:
        graphs.now += 0.03
        return refine(**inputs)

    made.refiner.graphs = {**made.refiner.graphs, "refine": slow}
    made.limit(Options(budget_ms=80.5))
    made.refiner.graphs = {**made.refiner.graphs, "refine": refine}
    refined = [int(refined_cells(made(PICTURE, None, Clock())[0]).sum()) for _ in range(12)]
    assert refined[0] == 0 and refined[-5:] == [3 * N] * 5


def test_a_call_there_is_no_time_for_is_tried_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """5 of 10 ms are left: an attempt is twice as long, so that most frames keep to the time."""
    graphs = Graphs(unknowns(), monkeypatch)
    made = graphs.pipeline()
    made.limit(Options(budget_ms=55))
    refined = [int(refined_cells(made(PICTURE, None, Clock())[0]).sum()) for _ in range(60)]
    assert set(refined) == {0, N} and refined.count(N) <= 5


def test_both_limits_hold_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Graphs(unknowns(), monkeypatch).pipeline()
    made.limit(Options(max_regions=6, budget_ms=85))
    assert refined_cells(made(PICTURE, None, Clock())[0]).sum() == 6
    made.limit(Options(budget_ms=61))  # a number that was given before stays
    assert refined_cells(made(PICTURE, None, Clock())[0]).sum() == 4


@pytest.mark.parametrize(
    "options", [Options(), Options(5), Options(budget_ms=1000), Options(0, 1000)]
)
@pytest.mark.parametrize("unknown", [0.0, 1.0])
def test_frames_without_unknown_regions_and_of_nothing_else(
    unknown: float, options: Options
) -> None:
    clock = Clock()
    made = Graphs(np.full((ROWS, COLUMNS), unknown, np.float32)).pipeline()
    if options != Options():
        made.limit(options)
    alpha, trimap = made(PICTURE, None, clock)
    found = 48 if unknown else 0
    assert clock.counts["regions found"] == found
    assert (trimap == (128 if unknown else 0)).all()
    wanted = found if options.max_regions is None else min(found, options.max_regions)
    assert refined_cells(alpha).sum() == wanted


def test_the_bundles_own_limit_holds_unless_another_is_given() -> None:
    from dataclasses import replace

    made = Graphs(unknowns()).pipeline(replace(HOST, max_regions=7))
    assert refined_cells(made(PICTURE, None, Clock())[0]).sum() == 7
    made.limit(Options(max_regions=9))
    assert refined_cells(made(PICTURE, None, Clock())[0]).sum() == 9


def test_a_pace_is_a_mean_that_forgets() -> None:
    pace = Pace()
    assert not pace.timed
    pace.saw_calls(0.1, 10)
    pace.saw_calls(9.0, 0)  # nothing was refined: nothing is learnt
    assert pace.timed and pace.calls(0.0551) == 5 and pace.calls(-1) == 0
    pace.saw_after(0.02)
    assert pace.calls(0.0551) == 3
    for _ in range(30):
        pace.saw_calls(0.2, 10)
    assert pace.calls(0.02 + 0.0501) == 2


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"max_regions": -1}, "max_regions -1: at least 0"),
        ({"budget_ms": 0.0}, "budget_ms 0: .*above 0"),
        ({"budget_ms": -3.0}, "budget_ms -3"),
        ({"budget_ms": float("nan")}, "budget_ms nan"),
        ({"budget_ms": float("inf")}, "budget_ms inf"),
    ],
)
def test_limits_without_a_meaning_are_refused(options: dict[str, Any], part: str) -> None:
    with pytest.raises(OptionError, match=part):
        read_load_options(find("regional"), options)


@pytest.mark.parametrize("options", [{"max_regions": 5}, {"budget_ms": 40.0}])
def test_a_bundle_without_regions_takes_no_budget(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="no meaning for lightweight"):
        edgematte.load(**options)
