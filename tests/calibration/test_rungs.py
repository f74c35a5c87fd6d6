"""The ladder on made-up graphs whose error is known: no engine runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgematte.calibration.ladder import Ladder, Tools
from edgematte.calibration.measure import Measured
from edgematte.calibration.scheme import Scheme
from edgematte.manifest import Graph
from edgematte.progress import silent


class Part:
    """A graph whose nodes each cost a known error when quantized."""

    def __init__(self, name: str, costs: dict[str, float], smoothed: float = 1.0) -> None:
        self.name, self.costs, self.smoothed = name, costs, smoothed
        self.nodes: Sequence[str] = tuple(costs)

    def quantize(self, scheme: Scheme | None) -> float:
        if scheme is None:
            return 0.0
        share = 0.01 if scheme.activations == "int16" else 1.0
        share *= self.smoothed if scheme.smooth else 1.0
        return share * sum(c for n, c in self.costs.items() if n not in scheme.skip)


def ladder(
    parts: list[Part], *, wide: bool = False, groups: int = 4, losing: frozenset[str] = frozenset()
) -> Ladder:
    errors: dict[str, float] = {}

    def save(model: Any, graph: Graph, folder: Path) -> Graph:
        errors[graph.name] = model
        return Graph(graph.name, (), (), f"{graph.name}.bin")

    def measure(files: Mapping[str, tuple[Graph, Path]], few: bool) -> Measured:
        return Measured(sum(errors[name] for name in files), 0.0, 0.0, 1, 1.0)

    graphs = [Graph(part.name, (), ()) for part in parts]
    tools = Tools(save, measure, wide, groups, any(p.smoothed != 1 for p in parts))
    tools = replace(tools, losing={parts[0].name: losing} if losing else {})
    return Ladder(graphs, {p.name: p for p in parts}, tools, Scheme())


EIGHT = Part("net", {f"n{i}": 1.0 + 10.0 * (i == 5) for i in range(8)})


def test_everything_is_quantized_where_the_budget_allows_it() -> None:
    trial, rungs = ladder([EIGHT]).climb(100.0, silent)
    assert [r.name for r in rungs] == ["w8a8"] and rungs[0].chosen and rungs[0].inside
    assert trial == {"net": Scheme()}


def test_the_group_that_costs_most_goes_back_to_float_first() -> None:
    trial, rungs = ladder([EIGHT]).climb(7.0, silent)
    scheme = trial["net"]
    assert scheme is not None and scheme.skip == {"n4", "n5"}
    assert [r.name for r in rungs] == ["w8a8", "w8a8, 2 nodes in float"]
    assert [r.chosen for r in rungs] == [False, True] and rungs[0].mad == 18.0


def test_nodes_known_to_lose_go_back_to_float_before_any_is_measured() -> None:
    losing = frozenset({"n5"})
    trial, rungs = ladder([EIGHT], losing=losing).climb(7.0, silent)
    assert [r.name for r in rungs] == ["w8a8", "w8a8, 1 nodes in float"]
    assert trial["net"] == Scheme(skip=losing) and rungs[1].mad == 7.0
    trial, rungs = ladder([EIGHT], losing=losing, wide=True).climb(5.0, silent)
    assert rungs[2].name == "w8a8, 3 nodes in float"  # one group of two more
    assert losing < (trial["net"] or Scheme()).skip and rungs[2].mad <= 5.0
    trial, rungs = ladder([EIGHT], losing=losing, wide=True).climb(0.1, silent)
    assert rungs[-1].name == "w8a16" and trial["net"] == Scheme(activations="int16", skip=losing)


def test_wide_activations_come_after_the_nodes_and_only_where_there_are_any() -> None:
    _, rungs = ladder([EIGHT], wide=True).climb(1.0, silent)
    assert rungs[-1].name == "w8a16" and rungs[-1].inside
    _, rungs = ladder([EIGHT]).climb(1.0, silent)
    assert all("w8a16" != r.name for r in rungs)


def test_whole_graphs_go_back_to_float_where_there_are_several() -> None:
    parts = [Part("first", {"a": 0.5}), Part("second", {"b": 30.0, "c": 30.0, "d": 30.0})]
    trial, rungs = ladder(parts, groups=4).climb(1.0, silent)
    assert trial["second"] is None and trial["first"] == Scheme()
    assert rungs[-1].name == "w8a8, graph second in float"


def test_when_nothing_is_inside_the_most_accurate_is_told() -> None:
    _, rungs = ladder([EIGHT]).climb(0.0, silent)
    taken = [r for r in rungs if r.chosen]
    assert len(taken) == 1 and not taken[0].inside
    assert taken[0].mad == min(r.mad for r in rungs) and len(rungs) == 3


def test_smoothed_norms_are_the_second_rung_and_stay_where_they_help() -> None:
    costs = {f"n{i}": 1.0 + 10.0 * (i == 5) for i in range(8)}
    trial, rungs = ladder([Part("net", costs, smoothed=0.5)]).climb(10.0, silent)
    assert [r.name for r in rungs] == ["w8a8", "w8a8, smoothed"]
    assert trial == {"net": Scheme(smooth=True)}
    trial, rungs = ladder([Part("net", costs, smoothed=0.5)]).climb(4.0, silent)
    assert [r.name for r in rungs][2:] == ["w8a8, smoothed, 2 nodes in float"]
    trial, rungs = ladder([Part("net", costs, smoothed=2.0)]).climb(8.0, silent)
    assert [r.name for r in rungs][1:] == ["w8a8, smoothed", "w8a8, 2 nodes in float"]
    assert trial == {"net": Scheme(skip=frozenset({"n4", "n5"}))}
