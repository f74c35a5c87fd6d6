"""Patches cover every unknown pixel, are few, and stitch back to the whole where they can."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgematte.runtime.host.cover import CoverStitcher, cover
from edgematte.runtime.host.patches import Patch, blend_window


def core(tile: Patch, margin: int, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a tile that are not margin; ``size`` is (W, H)."""
    spans = []
    for start, length in ((tile.top, size[1]), (tile.left, size[0])):
        stop = start + tile.side
        spans.append(slice(start + margin * (start > 0), stop - margin * (stop < length)))
    return spans[0], spans[1]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.sampled_from([(48, 0, 16), (48, 16, 16), (64, 16, 16), (64, 8, 16), (96, 32, 32)]),
    st.floats(0, 0.2),
)
def test_every_unknown_pixel_is_in_a_core(
    seed: int, shape: tuple[int, int, int], share: float
) -> None:
    side, margin, lattice = shape
    rng = np.random.default_rng(seed)
    unknown = np.zeros((128, 192), np.bool_)
    for _ in range(int(30 * share)):
        top, left = rng.integers(0, 120), rng.integers(0, 180)
        unknown[top : top + rng.integers(1, 30), left : left + rng.integers(1, 30)] = True
    tiles = cover(unknown, side, margin, lattice)
    held = np.zeros_like(unknown)
    for tile in tiles:
        assert tile.left % lattice == tile.top % lattice == 0 and tile.side == side
        assert 0 <= tile.left <= 192 - side and 0 <= tile.top <= 128 - side
        held[core(tile, margin, (192, 128))] = True
    assert held[unknown].all()
    assert len(set(tiles)) == len(tiles)
    assert [(t.top, t.left) for t in tiles] == sorted((t.top, t.left) for t in tiles)
    assert bool(tiles) == bool(unknown.any())


def test_no_tile_is_there_for_nothing() -> None:
    """A pixel takes one tile, a full frame those of a grid."""
    unknown = np.zeros((256, 256), np.bool_)
    unknown[100, 130] = True
    assert len(cover(unknown, 64, 16, 16)) == 1
    unknown[:] = True
    assert len(cover(unknown, 64, 0, 16)) == 16
    # cores 48, 32, ..., 32, 48 of a side: 256 = 48 + 5 * 32 + 48
    assert len(cover(unknown, 64, 16, 16)) == 49


def ring(side: int, radius: float, width: float) -> NDArray[np.bool_]:
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    band: NDArray[np.bool_] = np.abs(np.hypot(x, y) - radius) < width / 2
    return band


def test_a_band_takes_fewer_tiles_than_a_grid() -> None:
    """A fixed grid of the same tiles, those with an unknown pixel in them, takes a third more."""
    unknown = ring(512, 160, 24)
    tiles = cover(unknown, 96, 16, 16)
    starts = range(0, 512 - 96 + 1, 64)
    grid = sum(unknown[y : y + 96, x : x + 96].any() for y in starts for x in starts)
    assert len(tiles) * 4 / 3 < grid


def test_a_tile_as_large_as_the_frame() -> None:
    unknown = np.ones((64, 64), np.bool_)
    assert cover(unknown, 64, 16, 16) == [Patch(0, 0, 64)]


@pytest.mark.parametrize("lattice", [16, 32])
def test_of_tiles_as_good_the_first_is_taken(lattice: int) -> None:
    """So that ports agree: the uppermost, then the leftmost."""
    unknown = np.zeros((128, 128), np.bool_)
    unknown[70, 70] = True
    first = max(0, -(-(70 + 1 - (64 - 0)) // lattice) * lattice)
    assert cover(unknown, 64, 0, lattice) == [Patch(first, first, 64)]


def by_counting(
    unknown: NDArray[np.bool_], side: int, margin: int, lattice: int
) -> list[tuple[int, int]]:
    """The rule as docs/porting.md tells it, pixel by pixel: (top, left) of the patches, sorted."""
    height, width = unknown.shape

    def places(length: int) -> list[tuple[int, int, int]]:
        found = []
        for k in range(max(0, math.ceil((length - side) / lattice)) + 1):
            start = k * lattice
            first = start + margin if k else 0
            last = length if start + side >= length else start + side - margin
            found.append((start, first, last))
        return found

    left, corners = unknown.copy(), []
    while left.any():
        best = (0, 0, 0, np.s_[0:0, 0:0])
        for top, above, below in places(height):
            for start, before, after in places(width):
                core = np.s_[above:below, before:after]
                count = int(left[core].sum())
                if count > best[0]:  # so that the first of equal ones stays
                    best = (count, top, start, core)
        left[best[3]] = False
        corners.append(best[1:3])
    return sorted(corners)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([(32, 8, 16), (32, 4, 8), (24, 0, 8), (48, 12, 16), (64, 16, 16)]),
)
def test_the_rule_is_the_one_that_ports_are_told(
    seed: int, height: int, width: int, shape: tuple[int, int, int]
) -> None:
    """Pictures of any size: smaller than a patch, and of sides that no lattice divides."""
    rng = np.random.default_rng(seed)
    unknown = np.zeros((height, width), np.bool_)
    for _ in range(rng.integers(0, 6)):
        top, left = rng.integers(0, height), rng.integers(0, width)
        unknown[top : top + rng.integers(1, 12), left : left + rng.integers(1, 12)] = True
    patches = cover(unknown, *shape)
    assert [(p.top, p.left) for p in patches] == by_counting(unknown, *shape)
    assert {p.side for p in patches} <= {shape[0]}


def test_a_stitched_picture_is_the_sum_over_all_patches_at_once() -> None:
    """Row by row, with gaps taller than a patch, as eq. 6 over whole planes in float64."""
    rng = np.random.default_rng(0)
    trimap = rng.choice(np.array([0, 255], np.uint8), (301, 97))
    trimap[5:40, 20:60] = 128
    trimap[250:300, 70:97] = 128
    side, margin = 32, 8
    patches = cover(trimap == 128, side, margin, 16)
    alphas = rng.random((len(patches), side, side), np.float32)
    stitcher = CoverStitcher(trimap, side, margin)
    total, weight = np.zeros((2, 301 + side, 97 + side))
    for patch, alpha in zip(patches, alphas, strict=True):
        stitcher.add(patch, alpha)
        window = blend_window(patch, (97, 301), margin)
        part = np.s_[patch.top : patch.top + side, patch.left : patch.left + side]
        total[part] += window.astype(np.float64) * alpha
        weight[part] += window
    total, weight = total[:301, :97], weight[:301, :97]
    assert (weight[trimap == 128] >= 1).all() and (weight == 0).any()
    known = (trimap == 255) * np.maximum(1 - weight, 0)
    wanted = np.clip((total + known) / np.maximum(weight, 1), 0, 1)
    # A handful of float32 roundings of values up to the sum of four weights.
    np.testing.assert_allclose(stitcher.finish(), wanted, atol=2e-6)
    assert (stitcher.alpha[weight == 0] == (trimap == 255)[weight == 0]).all()


def test_without_patches_alpha_is_the_trimaps() -> None:
    trimap = np.zeros((70, 50), np.uint8)
    trimap[20:] = 255
    np.testing.assert_array_equal(CoverStitcher(trimap, 32, 8).finish(), trimap / 255)
