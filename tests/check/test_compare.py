from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte.check.engines import CheckEngine, check_engines
from edgematte.check.run import check_bundle
from edgematte.check.table import table
from edgematte.errors import EngineError
from edgematte.manifest import Accuracy, Graph
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import Engine, open_engine
from edgematte.runtime.host.steps import (
    ALPHA,
    ALPHAS,
    PATCHES,
    PICTURE,
    PICTURE_PATCH,
    REFINED,
    TRIMAP,
)
from edgematte.runtime.nets.lightweight.steps import PROBABILITIES, PROBABILITY_PATCH
from edgematte.runtime.proof.difference import difference
from edgematte.runtime.proof.tolerances import HOST, TOLERANCES, Tolerance

Arrays = dict[str, NDArray[Any]]
LIMIT = Tolerance(1e-4, 1e-5)


def far(found: Any, expected: Any) -> tuple[float, float]:
    d = difference("export", "x", "numpy", np.asarray(found), np.asarray(expected), LIMIT)
    return d.max_abs, d.mean_abs


def test_the_largest_and_the_mean_difference() -> None:
    assert far([0.0, 0.5, 1.0], [0.0, 0.25, 2.0]) == pytest.approx((1.0, 1.25 / 3))


def test_bytes_do_not_wrap_around() -> None:
    assert far(np.array([0], np.uint8), np.array([255], np.uint8)) == (255, 255)
    assert far(np.array([True]), np.array([False])) == (1, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_never_close(bad: float) -> None:
    for pair in (([bad, 0], [0, 0]), ([0, 0], [bad, 0]), ([bad, 0], [bad, 0])):
        d = difference("export", "x", "numpy", np.array(pair[0]), np.array(pair[1]), LIMIT)
        assert not d.ok and d.max_abs >= 1e9


def test_other_shapes_are_never_close() -> None:
    zeros = np.zeros((2, 3))
    for other in (np.zeros((3, 2)), np.zeros((1, 2, 3)), np.zeros(()), np.zeros((2, 1))):
        assert not difference("export", "x", "numpy", other, zeros, LIMIT).ok


def test_without_a_tolerance_it_is_a_figure() -> None:
    d = difference("export", "x", "openvino", np.ones(2), np.zeros(2), None)
    assert d.ok and d.max_abs == 1 and d.tolerance_max is None


def test_bytes_of_the_pool_become_unit_values_where_steps_take_those() -> None:
    bytes_ = np.array([0, 255], np.uint8)
    np.testing.assert_array_equal(PROBABILITIES.taken(bytes_), [0, 1])
    assert PICTURE.taken(bytes_) is bytes_
    floats = np.array([0.5], np.float32)
    assert ALPHAS.taken(floats) is floats


def test_patches_and_alpha_are_sampled_and_decisions_are_not() -> None:
    ramp = np.add.outer(100 * np.arange(32), np.arange(40))
    for array in (TRIMAP, PATCHES, REFINED):
        np.testing.assert_array_equal(array.sampled(ramp), ramp)
    kept = ALPHA.sampled(ramp)
    step = int(kept[0, 1])
    assert step > 1
    np.testing.assert_array_equal(kept, ramp[::step, ::step])
    assert PICTURE_PATCH.sampled(np.zeros((32, 40, 3))).shape[2] == 3  # every channel is kept
    assert PROBABILITY_PATCH.sampled(np.zeros((3, 32, 40))).shape[0] == 3


class Shifted:
    """An engine whose outputs are off by a constant, or changed by a function."""

    def __init__(self, inner: Engine, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        self.inner, self.change = inner, change

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        return {k: self.change(v) for k, v in self.inner.run(inputs).items()}


def checked(
    folder: Path, change: Callable[[NDArray[Any]], NDArray[Any]], graph_name: str = ""
) -> Accuracy:
    """The check of a bundle with an engine that errs, in one graph or in all."""

    def opener(file: Path, graph: Graph) -> Engine:
        inner = open_engine("onnxruntime", file, graph)
        return inner if graph_name not in ("", graph.name) else Shifted(inner, change)

    return check_bundle(open_bundle(folder), [CheckEngine("shifted", opener)])


def test_an_exact_engine_is_far_inside(tiny_bundle: Path) -> None:
    accuracy = checked(tiny_bundle, lambda value: value)
    assert accuracy.ok
    equalities = [d.equality for d in accuracy.differences]
    assert equalities == ["host"] * 7 + ["export"] * 2 + ["end-to-end"]
    # float32 sums of six products on one side, NumPy's on the other; recorded alpha is 16 bits.
    assert max(d.max_abs for d in accuracy.differences) < 2e-5
    assert [q.region for q in accuracy.quality] == ["unknown band", "whole picture"]
    assert all(q.mad < 1e-5 and q.pixels > 0 for q in accuracy.quality)


@pytest.mark.parametrize(("off", "ok"), [(2e-6, True), (1.5e-5, False), (2e-4, False)])
def test_a_constant_shift_fails_by_its_mean(off: float, ok: bool, tiny_bundle: Path) -> None:
    """The mean may be off by 1e-5: ten times less than one pixel."""
    assert checked(tiny_bundle, lambda value: value + np.float32(off), "refine").ok is ok


@pytest.mark.parametrize(("off", "ok"), [(5e-5, True), (2e-4, False)])
def test_one_pixel_fails_by_its_maximum(off: float, ok: bool, tiny_bundle: Path) -> None:
    def change(value: NDArray[Any]) -> NDArray[Any]:
        changed = value.copy()
        changed[..., 3, 3] += off
        return changed

    assert checked(tiny_bundle, change, "refine").ok is ok


@pytest.mark.parametrize("graph", ["segment", "refine"])
def test_the_graph_that_errs_is_the_one_that_is_marked(graph: str, tiny_bundle: Path) -> None:
    accuracy = checked(tiny_bundle, lambda value: value * 0.99, graph)
    bad = {d.where for d in accuracy.differences if not d.ok}
    output = {"segment": "segment.trimap", "refine": "refine.alpha"}[graph]
    assert bad == {output, "alpha"}
    marked = [line for line in table(accuracy) if line.startswith("!!")]
    assert len(marked) == 2 and output in marked[0] and "end-to-end" in marked[1]


def test_an_engine_that_fails_names_its_graph(tiny_bundle: Path) -> None:
    with pytest.raises(EngineError, match="graph segment on shifted: .*not finite"):
        checked(tiny_bundle, lambda value: value * np.nan)


def test_a_figure_for_the_reader_cannot_fail(tiny_bundle: Path) -> None:
    def opener(file: Path, graph: Graph) -> Engine:
        return Shifted(open_engine("onnxruntime", file, graph), lambda value: value * 0.9)

    accuracy = check_bundle(open_bundle(tiny_bundle), [CheckEngine("fast", opener, decides=False)])
    assert accuracy.ok
    assert [line[0] for line in table(accuracy) if " fast " in line and "export" in line] == [
        "-"
    ] * 2


def test_openvino_decides_with_full_precision_and_shows_what_it_ships_with(
    tiny_bundle: Path,
) -> None:
    pytest.importorskip("openvino")
    bundle = open_bundle(tiny_bundle)
    engines = check_engines(bundle.manifest, "openvino")
    assert [(e.label, e.decides) for e in engines] == [
        ("openvino, f32 hint", True),
        ("openvino, shipped hint", False),
    ]
    assert check_bundle(bundle, engines).ok


def test_tolerances_grow_with_lower_precision() -> None:
    assert TOLERANCES["fp32"].max_abs < TOLERANCES["fp16"].max_abs
    assert HOST.max_abs < TOLERANCES["fp32"].max_abs
