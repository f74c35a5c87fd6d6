"""What counts as changed, against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.arrays import Bytes
from edgematte.runtime.host.frame import frame_for
from edgematte.runtime.nets.regional.refiner import Refined
from edgematte.runtime.nets.regional.reuse import (
    TOLERANCE,
    Changes,
    around,
    block_difference,
    places,
)

ROWS, COLUMNS = 5, 7
FRAME = frame_for((8 * COLUMNS, 8 * ROWS), (8 * COLUMNS, 8 * ROWS))


def noise(seed: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (8 * ROWS, 8 * COLUMNS, 3), np.uint8)


@given(st.integers(0, 2**32 - 1))
def test_differences_of_blocks_are_their_definition(seed: int) -> None:
    one, other = noise(seed), noise(seed + 1)
    apart = np.abs(one.astype(int) - other.astype(int))
    found = block_difference(one, other)
    assert found.shape == (2 * ROWS, 2 * COLUMNS)
    for r, c in np.ndindex(found.shape):
        assert found[r, c] == pytest.approx(apart[4 * r : 4 * r + 4, 4 * c : 4 * c + 4].mean())
    assert block_difference(np.full_like(one, 255), np.zeros_like(one)).min() == 255


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.1))
def test_a_cells_surroundings_are_16x16(seed: int, share: float) -> None:
    changed = np.random.default_rng(seed).random((2 * ROWS, 2 * COLUMNS)) < share
    pixels = np.pad(changed.repeat(4, axis=0).repeat(4, axis=1), 4)
    found = around(changed)
    for r, c in np.ndindex(ROWS, COLUMNS):
        assert found[r, c] == pixels[8 * r : 8 * r + 16, 8 * c : 8 * c + 16].any()


def test_nothing_changed_in_the_same_picture() -> None:
    changes, picture = Changes(0), noise(0)
    assert changes(FRAME, picture).all()  # the first is all new
    for _ in range(3):
        assert not changes(FRAME, picture.copy()).any()


@pytest.mark.parametrize("place", [(0, 0), (8, 8), (11, 11), (12, 16), (39, 55)])
def test_one_pixel_changes_the_cells_around_it(place: tuple[int, int]) -> None:
    changes, picture = Changes(), noise(1)
    changes(FRAME, picture)
    picture[place] ^= 128
    found = changes(FRAME, picture)
    block = np.zeros((2 * ROWS, 2 * COLUMNS), bool)
    block[place[0] // 4, place[1] // 4] = True
    np.testing.assert_array_equal(found, around(block))
    assert 1 <= found.sum() <= 4
    assert not changes(FRAME, picture).any()


def test_the_noise_of_a_camera_is_no_change_and_a_strand_is_one() -> None:
    random = np.random.default_rng(2)
    scene = random.integers(40, 200, (8 * ROWS, 8 * COLUMNS, 3))

    def shot() -> Bytes:
        return np.rint(scene + random.normal(0, 2, scene.shape)).clip(0, 255).astype(np.uint8)

    changes = Changes()
    changes(FRAME, shot())
    assert not any(changes(FRAME, shot()).any() for _ in range(50))
    scene[:, 20] += 30  # one pixel wide
    assert changes(FRAME, shot())[:, 2].all()


def test_a_slow_change_is_noticed() -> None:
    """Each frame alone differs by one level from the one before."""
    changes = Changes()
    noticed = []
    for level in range(60, 80):
        noticed.append(bool(changes(FRAME, np.full((40, 56, 3), level, np.uint8)).any()))
    assert noticed[0] and sum(noticed[1:]) == 19 // (int(TOLERANCE) + 1)


def test_a_frame_of_another_size_is_all_new() -> None:
    changes = Changes()
    changes(FRAME, noise(3))
    for picture in ((56, 39), (28, 20)):  # the same pixels may show another part of the scene
        assert changes(frame_for(picture, (56, 40)), noise(3)).all()


def test_places_are_those_of_answers_that_hold() -> None:
    cells = np.array([[0, 1], [2, 3], [4, 6]], np.int32)
    refined = Refined(cells, np.zeros((3, 8, 8), np.float32), None)
    changed = np.zeros((ROWS, COLUMNS), bool)
    changed[2, 3] = changed[1, 1] = True
    found = places(refined, changed)
    assert found[0, 1] == 0 and found[4, 6] == 2
    assert (np.delete(found.ravel(), [1, 34]) == -1).all()
