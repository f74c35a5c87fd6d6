import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgematte.runtime.host.patches import Patch, Stitcher, blend_window, crop, patch_grid, walk

Array = NDArray[np.float64]
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[tuple[int, int], int, int]:
    """A picture's size, the side of its patches, and their overlap: at most half a side."""
    side = draw(st.integers(1, 24))
    return (
        draw(st.tuples(st.integers(1, 80), st.integers(1, 80))),
        side,
        draw(st.integers(0, side // 2)),
    )


Layout = tuple[tuple[int, int], int, int]


def counts(layout: Layout) -> NDArray[np.int64]:
    size, side, overlap = layout
    seen = np.zeros((size[1], size[0]), np.int64)
    for patch in walk(patch_grid(size, side, overlap)):
        seen[patch.top : patch.top + side, patch.left : patch.left + side] += 1
    return seen


def weight(patch: Patch, size: tuple[int, int], overlap: int, y: int, x: int) -> float:
    """Eq. 5 for one pixel, from its centre: distance to the nearest border that has a neighbour."""
    distances = [np.inf]
    if patch.left > 0:
        distances.append(x + 0.5)
    if patch.top > 0:
        distances.append(y + 0.5)
    if patch.left + patch.side < size[0]:
        distances.append(patch.side - x - 0.5)
    if patch.top + patch.side < size[1]:
        distances.append(patch.side - y - 0.5)
    return float(min(min(distances) / max(overlap, 1), 1))


def stitched(layout: Layout, alphas: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    stitcher = Stitcher(*layout)
    for patch, alpha in zip(walk(patch_grid(*layout)), alphas, strict=True):
        stitcher.add(patch, alpha)
    return stitcher.finish()


def random_alphas(layout: Layout, seed: int) -> list[NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    side = layout[1]
    return [random.random((side, side), np.float32) for _ in walk(patch_grid(*layout))]


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_patches_cover_every_pixel_once_twice_or_four_times(layout: Layout) -> None:
    assert set(np.unique(counts(layout))) <= {1, 2, 4}  # P of eq. 6


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_neighbours_share_exactly_the_overlap(layout: Layout) -> None:
    size, side, overlap = layout
    grid = patch_grid(size, side, overlap)
    lefts, tops = [p.left for p in grid[0]], [row[0].top for row in grid]
    for starts, length in ((lefts, size[0]), (tops, size[1])):
        assert starts[0] == 0
        assert all(b - a == side - overlap for a, b in zip(starts, starts[1:], strict=False))
        assert starts[-1] + side >= length
        # No patch is for nothing: the last one begins before what its neighbour leaves open.
        assert len(starts) == 1 or starts[-1] + overlap < length
    for row, top in zip(grid, tops, strict=True):
        assert [(p.left, p.top, p.side) for p in row] == [(left, top, side) for left in lefts]


@settings(max_examples=100, deadline=None)
@given(layouts(), SEEDS, st.data())
def test_crop_reflects_beyond_the_border(layout: Layout, seed: int, data: st.DataObject) -> None:
    size, side, overlap = layout
    picture = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    patch = data.draw(st.sampled_from(list(walk(patch_grid(size, side, overlap)))))

    def mirrored(i: int, n: int) -> int:
        if n == 1:
            return 0
        i %= 2 * (n - 1)
        return min(i, 2 * (n - 1) - i)

    rows = [mirrored(patch.top + i, size[1]) for i in range(side)]
    columns = [mirrored(patch.left + i, size[0]) for i in range(side)]
    np.testing.assert_array_equal(crop(picture, patch), picture[rows][:, columns])


def test_crop_of_a_patch_beyond_the_corner_by_hand() -> None:
    grey = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    wanted = [[1, 2, 3, 2], [4, 5, 6, 5], [1, 2, 3, 2], [4, 5, 6, 5]]
    np.testing.assert_array_equal(crop(grey, Patch(0, 0, 4)), wanted)


def test_a_narrow_strip_is_continued_by_the_picture_not_by_itself() -> None:
    """Of the last patch two columns are the picture's: what follows is the picture backwards."""
    line = np.arange(10, dtype=np.uint8)[None].repeat(4, axis=0)
    wanted = [[8, 9, 8, 7, 6, 5]] * 4 + [[8, 9, 8, 7, 6, 5]] * 2
    np.testing.assert_array_equal(crop(line, Patch(8, 0, 6)), wanted)
    np.testing.assert_array_equal(crop(line.T, Patch(0, 8, 6)), np.array(wanted).T)


@settings(max_examples=60, deadline=None)
@given(layouts(), st.data())
def test_windows_are_eq_5(layout: Layout, data: st.DataObject) -> None:
    size, side, overlap = layout
    patch = data.draw(st.sampled_from(list(walk(patch_grid(size, side, overlap)))))
    wanted = [[weight(patch, size, overlap, y, x) for x in range(side)] for y in range(side)]
    found = blend_window(patch, size, overlap)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)  # float32 against float64
    assert found.min() > 0 and found.max() <= 1


@settings(max_examples=80, deadline=None)
@given(layouts(), SEEDS)
def test_stitching_is_eq_6(layout: Layout, seed: int) -> None:
    size, side, overlap = layout
    alphas = random_alphas(layout, seed)
    total, weights = np.zeros((size[1], size[0])), np.zeros((size[1], size[0]))
    for patch, alpha in zip(walk(patch_grid(*layout)), alphas, strict=True):
        for y in range(min(side, size[1] - patch.top)):
            for x in range(min(side, size[0] - patch.left)):
                w = weight(patch, size, overlap, y, x)
                total[patch.top + y, patch.left + x] += w * alpha[y, x]
                weights[patch.top + y, patch.left + x] += w
    # float32 sums of four products against float64: a few times 6e-8.
    np.testing.assert_allclose(stitched(layout, alphas), total / weights, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(layouts(), st.floats(0, 1, width=32))
def test_a_constant_stays_that_constant(layout: Layout, value: float) -> None:
    stitcher = Stitcher(*layout)
    for number, patch in enumerate(walk(patch_grid(*layout))):
        side = layout[1]
        stitcher.add(patch, value if number % 2 else np.full((side, side), value, np.float32))
    np.testing.assert_allclose(stitcher.finish(), value, atol=3e-7)  # a quotient of float32 sums


@settings(max_examples=60, deadline=None)
@given(layouts(), SEEDS)
def test_patches_of_one_whole_give_the_whole_back(layout: Layout, seed: int) -> None:
    """A function of single pixels knows no borders, so the stitched picture is the whole one."""
    size = layout[0]
    whole = np.random.default_rng(seed).random((size[1], size[0]), np.float32)
    alphas = [crop(whole, patch).astype(np.float32) for patch in walk(patch_grid(*layout))]
    np.testing.assert_allclose(stitched(layout, alphas), whole, atol=3e-7)


def blurred(picture: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """A box filter that sees ``reach`` pixels to every side and zeros beyond, as a conv does."""
    padded = np.pad(picture.astype(np.float64), reach)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1,) * 2)
    return np.asarray(windows.mean(axis=(2, 3)), np.float32)


@pytest.mark.parametrize(("reach", "overlap"), [(1, 8), (2, 16), (3, 16), (4, 8), (2, 4)])
def test_a_local_function_stitches_to_the_whole_but_for_its_reach_over_the_overlap(
    reach: int, overlap: int
) -> None:
    """What eq. 5 promises a convolution whose patches are padded at their borders.

    A patch is wrong within ``reach`` of a border that has a neighbour. There eq. 5 weighs it with
    less than reach / overlap of the neighbour's 1, so that much of its error is left, and none
    where no patch has a border in reach.
    """
    size, side = (150, 130), 48
    whole = np.random.default_rng(5).random((size[1], size[0]), np.float32)
    wanted = blurred(whole, reach)
    grid = list(walk(patch_grid(size, side, overlap)))
    alphas, doubtful, worst = [], np.zeros(wanted.shape, np.bool_), 0.0
    for patch in grid:
        part = whole[patch.top :][:side, patch.left :][:, :side]
        rows, columns = part.shape
        alpha = np.zeros((side, side), np.float32)
        alpha[:rows, :columns] = blurred(part, reach)
        place = slice(patch.top, patch.top + rows), slice(patch.left, patch.left + columns)
        apart = np.abs(alpha[:rows, :columns] - wanted[place])
        doubtful[place] |= apart > 1e-6
        worst = max(worst, float(apart.max()))
        alphas.append(alpha)
    error = np.abs(stitched((size, side, overlap), alphas) - wanted)
    assert worst > 0.1  # the patches themselves are far off at their borders
    assert error[~doubtful].max() <= 1e-6
    # Along a border one patch in two is wrong; where four meet, three of them can be.
    assert error.max() <= worst * 3 * reach / overlap
    assert error[doubtful].mean() <= worst * reach / overlap / 2


def test_a_seam_fades_linearly() -> None:
    size, side, overlap = (14, 8), 8, 2
    alphas = [np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32)]
    found = stitched((size, side, overlap), alphas)
    row = [0] * 6 + [0.25, 0.75] + [1] * 6
    np.testing.assert_allclose(found, np.tile(np.array(row, np.float32), (8, 1)), atol=1e-7)


def test_values_outside_of_alpha_are_clipped() -> None:
    found = stitched(((4, 4), 4, 0), [np.linspace(-1, 2, 16, dtype=np.float32).reshape(4, 4)])
    assert found.min() == 0 and found.max() == 1


def test_memory_is_the_result_and_one_row_of_patches() -> None:
    width, side, overlap = 1000, 64, 8

    def extra(rows: int) -> int:
        """Bytes at the peak beyond those of the result, for so many rows of patches."""
        height = overlap + rows * (side - overlap)
        grid = patch_grid((width, height), side, overlap)
        tracemalloc.start()
        try:
            stitcher = Stitcher((width, height), side, overlap)
            alpha = np.full((side, side), 0.5, np.float32)
            for patch in walk(grid):
                stitcher.add(patch, alpha)
            stitcher.finish()
            return tracemalloc.get_traced_memory()[1] - 4 * width * height
        finally:
            tracemalloc.stop()

    row = 4 * width * side
    assert extra(20) < 4 * row  # sums, weights, and a copy of one of them
    assert abs(extra(80) - extra(20)) < row / 10  # a picture four times as high costs no more
