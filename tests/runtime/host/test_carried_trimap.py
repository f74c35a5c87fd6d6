"""Trimaps made from the alpha of the frame before."""

import numpy as np
import pytest
from scipy import ndimage

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.carried_trimap import (
    CUT,
    REACH,
    CarriedTrimap,
    band_px,
    find_motion,
    moved_along,
    reduced,
)

RANDOM = np.random.default_rng(5)


def wall(width: int = 160, height: int = 96, seed: int = 0) -> Floats:
    """A background with texture of a few pixels' size."""
    noise = np.random.default_rng(seed).normal(0, 60, (height, width))
    found: Floats = ndimage.gaussian_filter(noise, 2) * 6 + 128
    return found


def scene(left: int, top: int = 30, seed: int = 0) -> tuple[Bytes, Floats]:
    """A textured disc with a soft rim before a wall that stands still."""
    behind = wall(seed=seed)
    down, across = np.mgrid[:96, :160]
    distance = np.hypot(down - top - 16, across - left - 16)
    alpha = np.clip((16 - distance) / 4 + 0.5, 0, 1).astype(np.float32)
    subject = np.roll(wall(seed=seed + 100), (top, left), (0, 1))
    grey = alpha * subject + (1 - alpha) * behind
    return np.repeat(grey[..., None].clip(0, 255), 3, 2).astype(np.uint8), alpha


@pytest.mark.parametrize("move", [(0, 0), (0, 5), (-7, 3), (REACH, -REACH)])
def test_the_motion_of_a_whole_frame_is_found(move: tuple[int, int]) -> None:
    before = wall().astype(np.float32)
    now = np.roll(before, move, (0, 1))
    motion = find_motion(before, now)
    inside = motion.moves[2:-2, 2:-2]  # what came in at the border was nowhere before
    assert (inside == move).all()
    assert motion.unlike < 0.2


@pytest.mark.parametrize("move", [0, 2, 6, 10])
def test_a_carried_trimap_covers_the_soft_pixels_of_a_subject_that_moves(move: int) -> None:
    (first, alpha), (second, true) = scene(50), scene(50 + move)
    carried = CarriedTrimap()
    carried.keep(first, alpha)
    trimap, why = carried.trimap(second)
    assert trimap is not None and not why
    soft = (true > 0.05) & (true < 0.95)
    assert (trimap[soft] == 128).mean() > 0.97
    wrong = ((trimap == 255) & (true < 0.5)) | ((trimap == 0) & (true > 0.5))
    assert not wrong.any()
    assert (trimap == 128).mean() < 0.2  # and is no blank cheque


def test_a_still_frame_keeps_its_band_and_nothing_drifts() -> None:
    """The band is what a square of its width makes of the pixels that are not sure: scipy's."""
    picture, alpha = scene(50)
    carried = CarriedTrimap()
    carried.keep(picture, alpha)
    first, _ = carried.trimap(picture)
    assert first is not None
    possible = [
        ndimage.maximum_filter(flags, 2 * band_px((160, 96)) + 1)
        for flags in (alpha > 0.05, alpha < 0.95)
    ]
    unknown = possible[0] & possible[1]
    assert (unknown <= (first == 128)).all()
    assert ((first == 128) & ~unknown).mean() < 0.02  # values below 0.05 may be unsure, too
    for _ in range(20):
        carried.keep(picture, alpha)
        again, _ = carried.trimap(picture)
        np.testing.assert_array_equal(again, first)


def test_another_scene_is_a_cut_and_a_shift_of_the_same_is_none() -> None:
    picture, alpha = scene(50)
    carried = CarriedTrimap()
    carried.keep(picture, alpha)
    for seed in (1, 2, 3):
        trimap, why = carried.trimap(scene(50, seed=seed)[0])
        assert trimap is None and "another scene" in why and f"{CUT} is a cut" in why
    assert carried.trimap(np.roll(picture, (3, 8), (0, 1)))[0] is not None
    assert carried.trimap((picture * 0.9).astype(np.uint8))[0] is not None
    trimap, why = carried.trimap(picture[:50])
    assert trimap is None and why == "is 160x50, and the frame before it 160x96"


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (7, 7), (641, 9)])
def test_any_size(size: tuple[int, int]) -> None:
    picture = RANDOM.integers(0, 256, (*size, 3)).astype(np.uint8)
    alpha = RANDOM.random(size).astype(np.float32)
    carried = CarriedTrimap()
    carried.keep(picture, alpha)
    trimap, _ = carried.trimap(picture)
    assert trimap is not None and trimap.shape == size


def test_alpha_moves_as_the_blocks_do() -> None:
    alpha = RANDOM.random((96, 160)).astype(np.float32)
    moves = np.zeros((12, 20, 2), np.int64)
    moves[:] = 3, -2
    found = moved_along(alpha, moves, (96, 160))
    np.testing.assert_array_equal(found[3:, :-2], alpha[:-3, 2:])
    half = moved_along(alpha, moves, (48, 80))  # of a frame that was reduced to half
    np.testing.assert_array_equal(half[6:, :-4], alpha[:-6, 4:])


def test_what_was_kept_is_a_copy() -> None:
    picture, alpha = scene(50)
    carried = CarriedTrimap()
    kept = alpha.copy()
    carried.keep(picture, kept)
    first, _ = carried.trimap(picture)
    kept[:] = 0
    again, _ = carried.trimap(picture)
    np.testing.assert_array_equal(first, again)


def test_frames_are_reduced_to_160_pixels() -> None:
    assert reduced(np.zeros((90, 320, 3), np.uint8)).shape == (45, 160)
    assert reduced(np.zeros((90, 32, 3), np.uint8)).shape == (90, 32)
