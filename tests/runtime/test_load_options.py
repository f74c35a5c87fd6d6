"""What a caller asks of a loaded bundle reaches the part that it is for, or is refused."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte.errors import OptionError
from edgematte.manifest import Graph, Host
from edgematte.runtime.budget import Budget
from edgematte.runtime.cascade import Cascade
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.work import Work, resumable

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

STEPPING = Host("whole", (64, 64), steps=10, seed=1, stop_below=0.01)
PLAIN = Host("split", (64, 64))
DYNAMIC, STATIC = Graph("matte", (), (), dynamic_batch=True), Graph("matte", (), ())


class Net:
    """A pipeline that knows no limits."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        raise AssertionError("nothing should run")


class Regions(Net):
    def limit(self, budget: Budget) -> None:
        self.told.append(("limit", budget))


class Patches(Net):
    def limit_memory(self, megabytes: float) -> None:
        self.told.append(("memory", megabytes))

    def resume(
        self,
        picture: Bytes,
        trimap: Bytes,
        clock: Clock,
        journal: Path | None,
        work: str = "",
    ) -> tuple[Floats, Bytes]:
        raise AssertionError("nothing should run")

    def explain(
        self,
        picture: Bytes,
        trimap: Bytes,
        clock: Clock,
        pixel: tuple[int, int] | None = None,
    ) -> Iterator[Any]:
        raise AssertionError("nothing should run")


class Tiles(Net):
    def take(self, batch: int) -> None:
        self.told.append(("take", batch))

    def many(
        self, pictures: Sequence[Bytes], trimaps: Sequence[Bytes], clock: Clock
    ) -> list[Floats]:
        raise AssertionError("nothing should run")


def test_without_settings_the_bundles_own_hold() -> None:
    for host in (STEPPING, PLAIN):
        assert Work().host(host, "net") == host
    for net in (Net(), Regions(), Patches(), Tiles()):
        Work().limit(net, "net", [DYNAMIC])
        assert not net.told


@pytest.mark.parametrize(
    "given",
    [
        {"steps": 3},
        {"seed": 0},  # which is a seed, and no absence of one
        {"stop_below": 0.0},  # which never stops, where the bundle's would
        {"steps": 1, "seed": 7, "stop_below": 0.5},
    ],
)
def test_settings_of_steps_replace_the_bundles(given: dict[str, Any]) -> None:
    assert Work(**given).host(STEPPING, "diffmatte") == replace(STEPPING, **given)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"steps": 3}, "steps have"),
        ({"seed": 0}, "seed have"),
        ({"steps": 3, "stop_below": 0.0}, "steps and stop_below have"),
    ],
)
def test_settings_of_steps_are_refused_by_nets_without(given: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=f"^{named} no meaning for lightweight"):
        Work(**given).host(PLAIN, "lightweight")


@pytest.mark.parametrize(
    ("given", "budget"),
    [
        ({"max_regions": 0}, Budget(0)),  # none at all, and no absence of a limit
        ({"budget_ms": 40.0}, Budget(None, 40.0)),
        ({"max_regions": 5, "budget_ms": 1.5}, Budget(5, 1.5)),
    ],
)
def test_a_budget_reaches_the_net_of_regions_and_no_other(
    given: dict[str, Any], budget: Budget
) -> None:
    net = Regions()
    Work(**given).limit(net, "regional")
    assert net.told == [("limit", budget)]
    for other in (Net(), Cascade("vitmatte", Tiles(), None)):
        with pytest.raises(OptionError, match="max_regions and budget_ms have no meaning for x"):
            Work(**given).limit(other, "x")


@pytest.mark.parametrize("megabytes", [0.0, 300.0])
def test_memory_reaches_the_net_inside_a_cascade(megabytes: float) -> None:
    net = Patches()
    Work(memory_mb=megabytes).limit(Cascade("hdmatt", net, None), "hdmatt")
    assert net.told == [("memory", megabytes)]


def test_memory_of_another_net_says_what_that_net_has() -> None:
    with pytest.raises(OptionError, match="--memory has no meaning for vitmatte.*smaller --tile"):
        Work(memory_mb=5).limit(Cascade("vitmatte", Tiles(), None), "vitmatte")
    for other in (Net(), Regions()):
        with pytest.raises(OptionError, match="--memory has no meaning for x.*see no other"):
            Work(memory_mb=5).limit(other, "x")


def test_a_batch_reaches_the_tiles_of_a_dynamic_graph() -> None:
    for net in (direct := Tiles(), inner := Tiles()):
        pipeline = net if net is direct else Cascade("vitmatte", net, None)
        Work(batch=4).limit(pipeline, "vitmatte", [STATIC, DYNAMIC])  # the stage's is static
    assert direct.told == inner.told == [("take", 4)]


@pytest.mark.parametrize(
    ("net", "graphs"), [(Tiles(), [STATIC]), (Tiles(), []), (Net(), [DYNAMIC])]
)
def test_a_batch_is_refused_where_calls_take_one(net: Net, graphs: list[Graph]) -> None:
    with pytest.raises(OptionError, match="batch 4: this bundle of x.*--dynamic-batch"):
        Work(batch=4).limit(net, "x", graphs)
    assert not net.told


def test_what_can_be_resumed_is_found_inside_a_cascade() -> None:
    net = Patches()
    assert resumable(net, "hdmatt", "--resume") is net
    assert resumable(Cascade("hdmatt", net, None), "hdmatt", "--resume") is net
    for other in (Net(), Cascade("vitmatte", Tiles(), None)):
        with pytest.raises(OptionError, match="^--resume has no meaning for x"):
            resumable(other, "x", "--resume")
