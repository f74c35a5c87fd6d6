"""Tiles cover every unknown pixel, are few, and stitch back to the whole where they can."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgematte.runtime.host.cover import cover
from edgematte.runtime.host.patches import Patch


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
