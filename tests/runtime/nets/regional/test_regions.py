"""Cutting regions out of a frame and pasting them back, against plain slices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.arrays import Floats
from edgematte.runtime.nets.regional.regions import (
    UNKNOWN,
    cell_classes,
    crop_regions,
    enlarge_cells,
    paste_regions,
    select_cells,
    trimap_entropy,
)


def trimap_of(seed: int, rows: int, columns: int) -> Floats:
    p = np.random.default_rng(seed).random((3, rows, columns), np.float32)
    return np.asarray(p / p.sum(axis=0), np.float32)


SEEDS, SIDES = st.integers(0, 2**32 - 1), st.integers(1, 12)


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIDES, SIDES)
def test_cells_are_those_the_unknown_class_wins(seed: int, rows: int, columns: int) -> None:
    trimap = trimap_of(seed, rows, columns)
    trimap[:, 0, 0] = 1 / 3  # a tie is the first class's: background
    cells = select_cells(trimap)
    assert cells.tolist() == np.argwhere(trimap.argmax(axis=0) == UNKNOWN).tolist()
    assert [0, 0] not in cells.tolist()
    assert ((cell_classes(trimap) == 128) == (trimap.argmax(axis=0) == UNKNOWN)).all()


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIDES, SIDES, st.integers(0, 60))
def test_a_budget_keeps_the_most_uncertain_cells(
    seed: int, rows: int, columns: int, most: int
) -> None:
    trimap = trimap_of(seed, rows, columns)
    every, kept = select_cells(trimap), select_cells(trimap, most)
    assert len(kept) == min(most, len(every))
    entropy = {tuple(c): float(trimap_entropy(trimap[:, c[0], c[1]])) for c in every.tolist()}
    named = [tuple(c) for c in kept.tolist()]
    assert named == sorted(named)
    dropped = set(entropy) - set(named)
    if named and dropped:
        assert min(entropy[c] for c in named) >= max(entropy[c] for c in dropped)


def test_entropy_of_certain_and_of_even_probabilities() -> None:
    p = np.array([[1, 1 / 3, 0.5], [0, 1 / 3, 0.5], [0, 1 / 3, 0]], np.float32)
    # float32 thirds: 1e-7.
    np.testing.assert_allclose(trimap_entropy(p), [0, np.log(3), np.log(2)], atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIDES, SIDES)
def test_crop_and_paste_are_slices(seed: int, rows: int, columns: int) -> None:
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (rows * 8, columns * 8, 3), np.uint8)
    alpha = random.random((rows * 8, columns * 8), np.float32)
    cells = np.argwhere(random.random((rows, columns)) < 0.4).astype(np.int32)
    regions = crop_regions(picture, alpha, cells)
    assert regions.shape == (len(cells), 4, 8, 8) and regions.dtype == np.float32
    answers = random.random((len(cells), 8, 8), np.float32)
    pasted, wanted = alpha.copy(), alpha.copy()
    paste_regions(pasted, answers, cells)
    for region, answer, (row, column) in zip(regions, answers, cells.tolist(), strict=True):
        part = slice(row * 8, row * 8 + 8), slice(column * 8, column * 8 + 8)
        # A product with 1/255 against a quotient: the last bit.
        np.testing.assert_allclose(region[:3], picture[part].transpose(2, 0, 1) / 255, atol=1e-7)
        np.testing.assert_array_equal(region[3], alpha[part])
        wanted[part] = answer
    np.testing.assert_array_equal(pasted, wanted)


@settings(max_examples=30, deadline=None)
@given(SEEDS, SIDES, SIDES)
def test_enlarged_cells_are_repeated_values(seed: int, rows: int, columns: int) -> None:
    values = np.random.default_rng(seed).random((rows, columns), np.float32)
    found = enlarge_cells(values)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, np.kron(values, np.ones((8, 8), np.float32)))


def test_a_paste_never_goes_into_a_copy() -> None:
    whole = np.zeros((16, 32), np.float32)
    with pytest.raises(AssertionError):
        paste_regions(whole[:, :16], np.ones((1, 8, 8), np.float32), np.zeros((1, 2), np.int32))
