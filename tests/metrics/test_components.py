import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from edgematte.metrics.components import connected_runs, largest_component

Mask = npt.NDArray[np.bool_]


def spiral(size: int) -> Mask:
    """One component that winds inwards from the top left corner, a pixel wide and a pixel apart."""
    mask = np.zeros((size, size), dtype=np.bool_)
    y, x, dy, dx = 0, 0, 0, 1
    mask[0, 0] = True
    arms = [size - 1, *(arm for arm in range(size - 1, 0, -2) for _ in range(2))]
    for arm in arms:
        for _ in range(arm):
            y, x = y + dy, x + dx
            mask[y, x] = True
        dy, dx = dx, -dy
    return mask


def comb(height: int, width: int) -> Mask:
    """Teeth that only the last row joins: as many runs a row as can be, joined at the very end."""
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[:, ::2] = True
    mask[-1] = True
    return mask


def labelled(mask: Mask) -> npt.NDArray[np.int64]:
    """Component numbers as scipy.ndimage.label gives them: from 1, in the order first met."""
    height, width = mask.shape
    runs = connected_runs(mask)
    number = np.unique(runs.component, return_inverse=True)[1] + 1
    painted = np.zeros(height * (width + 1), dtype=np.int64)
    for start, stop, value in zip(runs.starts, runs.stops, number, strict=True):
        painted[start:stop] = value
    assert not painted.reshape(height, width + 1)[:, width].any()
    return painted.reshape(height, width + 1)[:, :width]


def largest_by_scipy(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if not count:
        return np.zeros_like(mask)
    chosen: Mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return chosen


def largest_by_flood(mask: Mask) -> Mask:
    """Pixel by pixel, without labels: the first flood that no later one exceeds."""
    best: set[tuple[int, int]] = set()
    seen: set[tuple[int, int]] = set()
    for y, x in zip(*np.nonzero(mask), strict=True):
        flood, waiting = set(), [(int(y), int(x))]
        while waiting:
            pixel = waiting.pop()
            inside = 0 <= pixel[0] < mask.shape[0] and 0 <= pixel[1] < mask.shape[1]
            if not inside or not mask[pixel] or pixel in seen:
                continue
            seen.add(pixel)
            flood.add(pixel)
            waiting += [(pixel[0] + dy, pixel[1] + dx) for dy, dx in ((0, 1), (1, 0))]
            waiting += [(pixel[0] - dy, pixel[1] - dx) for dy, dx in ((0, 1), (1, 0))]
        if len(flood) > len(best):
            best = flood
    result = np.zeros_like(mask)
    for pixel in best:
        result[pixel] = True
    return result


SHAPED = {
    "spiral": spiral(101),
    "spiral, mirrored": spiral(64)[:, ::-1],
    "spiral, from below": spiral(64)[::-1],
    "between two spirals": ~spiral(101),
    "comb": comb(40, 81),
    "comb, teeth up": comb(40, 81)[::-1],
    "comb, sideways": comb(40, 81).T,
    "chessboard": np.indices((31, 32)).sum(0) % 2 == 0,
    "ring": ndimage.binary_dilation(np.eye(30, dtype=bool)) ^ np.eye(30, dtype=bool),
    "empty": np.zeros((5, 7), dtype=bool),
    "full": np.ones((5, 7), dtype=bool),
    "one pixel, set": np.ones((1, 1), dtype=bool),
    "one pixel, unset": np.zeros((1, 1), dtype=bool),
    "row": np.array([[1, 1, 0, 1, 1, 1, 0, 1]], dtype=bool),
    "column": np.array([[1, 1, 0, 1, 1, 1, 0, 1]], dtype=bool).T,
}


@pytest.mark.parametrize("name", SHAPED)
def test_shapes_match_scipy(name: str) -> None:
    mask = SHAPED[name]
    assert np.array_equal(labelled(mask), ndimage.label(mask)[0])
    assert np.array_equal(largest_component(mask), largest_by_scipy(mask))


def test_a_spiral_is_one_component() -> None:
    mask = spiral(101)
    assert 0.45 < mask.mean() < 0.55
    assert np.array_equal(largest_component(mask), mask)


@pytest.mark.parametrize("density", [0.02, 0.3, 0.5, 0.59, 0.65, 0.9, 0.99])
@pytest.mark.parametrize("shape", [(257, 190), (1, 4000), (4000, 1), (2, 999)])
def test_noise_matches_scipy(shape: tuple[int, int], density: float) -> None:
    # 0.59 is the percolation threshold: the most tortuous components there are.
    mask = np.random.default_rng(7).random(shape) < density
    assert np.array_equal(labelled(mask), ndimage.label(mask)[0])
    assert np.array_equal(largest_component(mask), largest_by_scipy(mask))


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_any_mask_matches_scipy_and_a_flood_fill(mask: Mask) -> None:
    assert np.array_equal(labelled(mask), ndimage.label(mask)[0])
    assert np.array_equal(largest_component(mask), largest_by_flood(mask))


@given(hnp.arrays(np.bool_, (6, 7)), st.sampled_from(["F", "strided"]))
def test_memory_layout_does_not_matter(mask: Mask, layout: str) -> None:
    other = np.asfortranarray(mask) if layout == "F" else np.repeat(mask, 2, axis=1)[:, ::2]
    assert np.array_equal(largest_component(other), largest_component(mask))


def test_corners_do_not_connect() -> None:
    mask = np.array([[1, 0, 0], [0, 1, 1], [1, 0, 0]], dtype=bool)
    assert largest_component(mask).tolist() == [[0, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_the_end_of_a_row_does_not_touch_the_start_of_the_next() -> None:
    mask = np.array([[0, 0, 1], [1, 0, 0]], dtype=bool)
    assert largest_component(mask).tolist() == [[0, 0, 1], [0, 0, 0]]


def test_of_equals_the_first_row_by_row() -> None:
    mask = np.array([[0, 0, 0, 1], [1, 1, 0, 1]], dtype=bool)
    assert largest_component(mask).tolist() == [[0, 0, 0, 1], [0, 0, 0, 1]]
