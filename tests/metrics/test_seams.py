"""The seam score, on alphas whose seams are put there."""

import numpy as np
import pytest

from edgematte.metrics.seams import VISIBLE, seam_score
from edgematte.runtime.host.patches import Patch, Stitcher, patch_grid, walk

SIZE, SIDE = (100, 80), 32


def alphas(overlap: int, offset: float) -> tuple[np.ndarray, list[Patch]]:
    """Smooth noise cut into patches that disagree by up to ``offset``, stitched again."""
    rng = np.random.default_rng(0)
    truth = rng.random((SIZE[1] + SIDE, SIZE[0] + SIDE)).astype(np.float32) * 0.1 + 0.45
    patches = list(walk(patch_grid(SIZE, SIDE, overlap)))
    stitcher = Stitcher(SIZE, SIDE, overlap)
    for patch in patches:
        part = truth[patch.top : patch.top + SIDE, patch.left : patch.left + SIDE]
        stitcher.add(patch, part + np.float32(rng.uniform(-offset, offset)))
    return stitcher.finish(), patches


def test_without_disagreement_no_border_shows() -> None:
    for overlap in (0, 8):
        score = seam_score(*alphas(overlap, 0))
        assert score == pytest.approx(1, abs=0.2)  # a few hundred pairs of noise


def test_patches_that_disagree_show_unless_they_are_blended() -> None:
    assert seam_score(*alphas(0, 0.3)) > 5 > VISIBLE
    assert seam_score(*alphas(16, 0.3)) < 1.3 < VISIBLE


def test_it_is_the_ratio_of_two_means() -> None:
    alpha = np.array([[0, 0.1, 0.5, 0.6], [0, 0.1, 0.5, 0.6]], np.float32)
    patches = [Patch(0, 0, 2), Patch(2, 0, 2)]
    inside = [0.1**2] * 4 + [0] * 4  # along x, then along y
    assert seam_score(alpha, patches) == pytest.approx(0.16 / np.mean(inside))


def test_only_pairs_of_unknown_pixels_count() -> None:
    alpha = np.array([[0, 0.1, 0.5, 0.6], [0, 0.1, 0.9, 0.6]], np.float32)
    unknown = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.bool_)
    patches = [Patch(0, 0, 2), Patch(2, 0, 2)]
    assert seam_score(alpha, patches, unknown) == pytest.approx(0.16 / np.mean([0.01, 0.01, 0, 0]))


def test_a_border_is_as_long_as_its_patch() -> None:
    """The lower patch begins further left; above it, at the same place, there is no border."""
    alpha = np.array([[0, 0.1, 0.2, 0.3, 0.4]] * 2 + [[0, 0.1, 0.6, 0.7, 0.8]] * 2, np.float32)
    patches = [Patch(2, 2, 3, 2)]
    unknown = np.ones(alpha.shape, np.bool_)
    unknown[1] = False  # no pair from the upper rows to the lower ones
    inside = [0.1**2] * (4 + 3 + 3) + [0] * 5  # along x by rows, then along y
    assert seam_score(alpha, patches, unknown) == pytest.approx(0.5**2 / np.mean(inside))


def test_a_patch_ends_where_its_height_says() -> None:
    alpha = np.repeat(np.array([0, 0.1, 0.2, 0.8, 0.9], np.float32)[:, None], 4, axis=1)
    inside = [0.1**2] * 12 + [0] * 15
    patches = [Patch(0, 0, 4, 3), Patch(0, 3, 4, 2)]  # side 4: what a square would end at
    assert seam_score(alpha, patches) == pytest.approx(0.6**2 / np.mean(inside))


def test_flat_alphas_and_single_patches_have_none() -> None:
    flat = np.ones((20, 20), np.float32)
    assert seam_score(flat, [Patch(0, 0, 10), Patch(10, 0, 10)]) == 1
    assert seam_score(np.eye(20, dtype=np.float32), [Patch(0, 0, 32)]) == 1
