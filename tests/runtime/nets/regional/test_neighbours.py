"""Neighbours on a grid against brute force, a k-d tree and the training module's pairs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgematte.runtime.nets.regional.neighbours import (
    nearest_cells,
    offset_table,
    relative_positions,
)

Cells = NDArray[np.int32]


def cells_of(mask: NDArray[np.bool_]) -> Cells:
    return np.argwhere(mask).astype(np.int32)


def brute_force(cells: Cells, k: int) -> NDArray[np.int32]:
    """From the definition: sort the others by (squared distance, row, column), itself last."""
    places = [(int(r), int(c)) for r, c in cells]
    found = []
    for i, (row, column) in enumerate(places):
        others = sorted(
            (j for j in range(len(places)) if j != i),
            key=lambda j: (
                (places[j][0] - row) ** 2 + (places[j][1] - column) ** 2,
                places[j],
            ),
        )
        order = [*others, i]
        found.append([order[n % len(order)] for n in range(k)] if len(order) <= k else order[:k])
    return np.array(found, np.int32).reshape(-1, k)


@st.composite
def masks(draw: st.DrawFn) -> NDArray[np.bool_]:
    """Noise, bands, single rows, nothing, everything, and islands far apart."""
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["noise", "all", "row", "frame", "islands"]))
    if kind == "all":
        return np.ones(shape, np.bool_)
    if kind == "noise":
        return random.random(shape) < draw(st.sampled_from([0, 0.02, 0.1, 0.5, 0.9]))
    mask = np.zeros(shape, np.bool_)
    if kind == "row":
        mask[draw(st.integers(0, shape[0] - 1))] = True
    if kind == "frame":
        mask[[0, -1]] = mask[:, [0, -1]] = True
    if kind == "islands":  # further apart than the table of offsets reaches
        mask = np.zeros((90, 70), np.bool_)
        for _ in range(draw(st.integers(1, 5))):
            row, column = random.integers(0, 88), random.integers(0, 68)
            mask[row : row + random.integers(1, 4), column : column + random.integers(1, 4)] = True
    return mask


@settings(max_examples=150, deadline=None)
@given(masks(), st.sampled_from([1, 4, 8, 16]))
def test_neighbours_are_those_of_brute_force(mask: NDArray[np.bool_], k: int) -> None:
    cells = cells_of(mask)
    np.testing.assert_array_equal(nearest_cells(cells, k), brute_force(cells, k))


@pytest.mark.parametrize("count", range(11))
def test_few_cells_repeat(count: int) -> None:
    random = np.random.default_rng(count)
    cells = cells_of(np.isin(np.arange(400), random.permutation(400)[:count]).reshape(20, 20))
    found = nearest_cells(cells, 8)
    assert found.shape == (count, 8)
    np.testing.assert_array_equal(found, brute_force(cells, 8))
    for i, row in enumerate(found):  # each other cell before itself, none left out
        assert set(range(count)) - {i} <= set(row.tolist()) or count > 9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.002, 0.03, 0.3, 1.0]))
@example(0, 0.0005)
def test_distances_are_those_of_a_k_d_tree(seed: int, density: float) -> None:
    spatial = pytest.importorskip("scipy.spatial")
    cells = cells_of(np.random.default_rng(seed).random((80, 120)) < density)
    if len(cells) < 10:
        return
    found = nearest_cells(cells, 8)
    apart = np.linalg.norm(cells[found] - cells[:, None], axis=-1)
    wanted, _ = spatial.cKDTree(cells).query(cells, k=9)  # ties may be other cells
    np.testing.assert_allclose(apart, wanted[:, 1:], rtol=1e-12)
    assert all(len({*row, i}) == 9 for i, row in enumerate(found.tolist()))


@settings(max_examples=60, deadline=None)
@given(masks(), st.sampled_from([1, 8]))
def test_training_finds_the_same_neighbours(mask: NDArray[np.bool_], k: int) -> None:
    torch = pytest.importorskip("torch")
    from edgematte.models.regional.neighbours import nearest

    cells = cells_of(mask)
    frames = [np.full((len(cells), 1), frame) for frame in (0, 3)]
    both = np.concatenate([np.concatenate([frame, cells], axis=1) for frame in frames])
    found = nearest(torch.from_numpy(both), k).numpy()
    wanted = nearest_cells(cells, k)
    np.testing.assert_array_equal(found, np.concatenate([wanted, wanted + len(cells)]))


def test_the_table_is_every_offset_within_its_reach_in_order() -> None:
    table = offset_table(6)
    wanted = [(r, c) for r in range(-9, 10) for c in range(-9, 10) if 0 < r * r + c * c <= 36]
    assert sorted(map(tuple, table.tolist())) == sorted(wanted)
    keys = [(r * r + c * c, r, c) for r, c in table.tolist()]
    assert keys == sorted(keys)


@settings(max_examples=60, deadline=None)
@given(masks(), st.sampled_from([2, 3, 4, 8]), st.booleans())
def test_relative_positions_by_their_definition(
    mask: NDArray[np.bool_], s: int, aliasing: bool
) -> None:
    cells = cells_of(mask)
    group = np.concatenate([np.arange(len(cells))[:, None], nearest_cells(cells, 4)], axis=1)
    found = relative_positions(cells, group.astype(np.int32), s, aliasing)
    last = (2 * s - 1) ** 2
    for n in range(min(len(cells), 20)):
        for i in range(5):
            for j in range(5):
                down, across = (cells[group[n, j]] - cells[group[n, i]]).tolist()
                flat = (down + s - 1) * (2 * s - 1) + across + s - 1
                inside = max(abs(down), abs(across)) < s
                if aliasing:
                    inside = 0 <= flat < last
                assert found[n, i, j] == (flat if inside else last)


def test_training_and_host_look_biases_up_alike() -> None:
    torch = pytest.importorskip("torch")
    from edgematte.models.regional import neighbours as regional_neighbours

    cells = cells_of(np.random.default_rng(1).random((40, 60)) < 0.03)
    group = np.concatenate([np.arange(len(cells))[:, None], nearest_cells(cells, 8)], axis=1)
    for aliasing in (False, True):
        found: Any = regional_neighbours.relative_positions(
            torch.from_numpy(cells[group]), 4, aliasing
        )
        np.testing.assert_array_equal(
            relative_positions(cells, group.astype(np.int32), 4, aliasing), found.numpy()
        )
