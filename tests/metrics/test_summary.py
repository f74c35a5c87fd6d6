import dataclasses
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgematte.errors import EdgematteError, PictureError
from edgematte.metrics import Scores, conn, grad, mad, mse, sad, scores, unknown_region

METRICS = [sad, mse, mad, grad, conn]


@given(st.data())
def test_scores_are_the_single_metrics(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))
    values = st.floats(0, 1, width=32)
    alpha = data.draw(hnp.arrays(np.float32, shape, elements=values))
    reference = data.draw(hnp.arrays(np.float32, shape, elements=values))
    levels = st.sampled_from([0, 1, 127, 128, 254, 255])
    trimap = data.draw(st.none() | hnp.arrays(np.uint8, shape, elements=levels))
    region = None if trimap is None else (trimap != 0) & (trimap != 255)
    score = scores(alpha, reference, trimap)
    assert dataclasses.asdict(score) == {
        "sad": sad(alpha, reference, region),
        "mse": mse(alpha, reference, region),
        "mad": mad(alpha, reference, region),
        "grad": grad(alpha, reference, region),
        "conn": conn(alpha, reference, region),
        "pixels": alpha.size if region is None else int(region.sum()),
    }
    assert score.mad * score.pixels == pytest.approx(score.sad * 1000)
    assert all(type(value) is float for value in dataclasses.astuple(score)[:-1])
    assert all(value >= 0 and np.isfinite(value) for value in dataclasses.astuple(score))


@pytest.mark.parametrize("value", [0.0, 0.37, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (20, 30)])
def test_equal_mattes_score_zero(shape: tuple[int, int], value: float) -> None:
    alpha = np.full(shape, value, dtype=np.float32)
    assert scores(alpha, alpha.copy()) == Scores(0.0, 0.0, 0.0, 0.0, 0.0, shape[0] * shape[1])


def test_a_trimap_without_unknown_scores_zero() -> None:
    trimap = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    expected = Scores(0.0, 0.0, 0.0, 0.0, 0.0, 0)
    assert scores(np.zeros((2, 2)), np.ones((2, 2)), trimap) == expected


def test_scores_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        scores(np.zeros((1, 1)), np.zeros((1, 1))).sad = 1.0  # type: ignore[misc]


def test_unknown_is_what_is_neither_black_nor_white() -> None:
    trimap = np.array([[0, 1, 127], [128, 254, 255]], dtype=np.uint8)
    assert unknown_region(trimap).tolist() == [[False, True, True], [True, True, False]]


@pytest.mark.parametrize(
    ("trimap", "came"),
    [
        (np.zeros((2, 2)), r"float64 \(2, 2\)"),
        (np.zeros((2, 2), dtype=bool), r"bool \(2, 2\)"),
        (np.zeros((2, 2, 1), dtype=np.uint8), r"uint8 \(2, 2, 1\)"),
        ([[0, 128]], "list"),
    ],
)
def test_what_is_no_trimap_is_refused(trimap: Any, came: str) -> None:
    with pytest.raises(PictureError, match=came):
        scores(np.zeros((2, 2)), np.zeros((2, 2)), trimap)


def test_a_trimap_of_another_size_is_refused() -> None:
    with pytest.raises(PictureError, match=r"\(2, 2\), got \(2, 3\)"):
        scores(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 3), dtype=np.uint8))


GOOD = np.full((2, 3), 0.5)
BAD: dict[str, tuple[Any, str]] = {
    "8 bits": (np.zeros((2, 3), dtype=np.uint8), r"uint8 \(2, 3\).*divided by 255"),
    "integers": (np.zeros((2, 3), dtype=np.int64), "int64"),
    "bool": (np.zeros((2, 3), dtype=bool), "bool"),
    "complex": (np.zeros((2, 3), dtype=np.complex64), "complex64"),
    "channels": (np.zeros((2, 3, 1)), r"\(2, 3, 1\)"),
    "list": ([[0.5]], "list"),
    "no pixels": (np.zeros((0, 3)), "at least one pixel"),
    "NaN": (np.array([[0.5, np.nan, 0.5]] * 2), "NaN"),
    "infinite": (np.array([[0.5, np.inf, 0.5]] * 2), "0.5 to inf"),
    "0 to 255": (np.full((2, 3), 255.0), "255 to 255"),
    "over 1": (np.full((2, 3), 1.001), "1.001 to 1.001"),
    "negative": (np.full((2, 3), -1e-3), "-0.001"),
    "another shape": (np.zeros((3, 2)), r"\(2, 3\)"),
}


@pytest.mark.parametrize("metric", [*METRICS, scores])
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_matte_is_refused(metric: Callable[..., Any], name: str) -> None:
    bad, message = BAD[name]
    with pytest.raises(PictureError, match=message) as refusal:
        metric(bad, GOOD)
    assert isinstance(refusal.value, EdgematteError) and isinstance(refusal.value, ValueError)
    with pytest.raises(PictureError, match=message):
        metric(GOOD, bad)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("region", "message"),
    [
        (np.ones((2, 3), dtype=np.uint8), "bool array.*unknown_region"),
        ([[True]], "list"),
        (np.ones((3, 2), dtype=bool), r"\(2, 3\), got \(3, 2\)"),
    ],
)
def test_what_is_no_region_is_refused(
    metric: Callable[..., float], region: Any, message: str
) -> None:
    with pytest.raises(PictureError, match=message):
        metric(GOOD, GOOD, region)


def test_arguments_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    alpha, reference = rng.random((30, 40)), rng.random((30, 40))
    trimap = np.full((30, 40), 128, dtype=np.uint8)
    arguments: list[npt.NDArray[Any]] = [alpha, reference, trimap]
    before = [argument.copy() for argument in arguments]
    for argument in arguments:
        argument.flags.writeable = False
    scores(alpha, reference, trimap)
    for argument, copy in zip(arguments, before, strict=True):
        assert np.array_equal(argument, copy)


def test_memory_layout_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    alpha, reference = rng.random((40, 50)), rng.random((40, 50))
    expected = dataclasses.asdict(scores(alpha, reference))
    strided = np.repeat(reference, 2, axis=0)[::2]
    got = dataclasses.asdict(scores(np.asfortranarray(alpha), strided))
    assert got == pytest.approx(expected)


def test_memory_stays_near_the_pictures_own() -> None:
    y, x = np.mgrid[-1:1:900j, -1:1:1200j].astype(np.float32)
    reference = np.clip(1.2 - x**2 - y**2, 0, 1)
    alpha = reference**2
    trimap = np.full(alpha.shape, 128, dtype=np.uint8)
    scores(alpha, reference, trimap)
    tracemalloc.start()
    try:
        scores(alpha, reference, trimap)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * (alpha.nbytes + reference.nbytes)


def test_numpy_is_all_it_imports() -> None:
    program = (
        "import sys, edgematte.metrics; "
        "sys.exit(str([m for m in ('scipy', 'torch', 'cv2', 'skimage') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
