"""Which patches are contexts, against their definitions pixel by pixel."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgematte.runtime.host.patches import patch_grid, unknown_in, walk
from edgematte.runtime.nets.hdmatt.contexts import best_contexts, candidates, pad

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 8), st.integers(1, 5), st.booleans())
def test_the_best_contexts_are_those_of_the_largest_double_sum(
    seed: int, count: int, k: int, inside: bool
) -> None:
    rng = np.random.default_rng(seed)
    query = rng.integers(-3, 4, (4, 3)).astype(np.float32)  # pixels, channels; whole: exact sums
    others = rng.integers(-3, 4, (count, 4, 3)).astype(np.float32)
    itself = int(rng.integers(count)) if inside else -1
    scores = {
        i: sum(float(q @ c) for q in query for c in others[i]) for i in range(count) if i != itself
    }
    expected = sorted(scores, key=lambda i: (-scores[i], i))[:k]
    found = best_contexts(query.mean(axis=0), others.mean(axis=1), k, itself)
    assert found.tolist() == expected and found.dtype == np.int32


@given(SEEDS, st.integers(1, 12))
def test_candidates_are_the_most_mixed_patches(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.choice(np.array([0, 128, 255], np.uint8), (5, 6), p=[0.5, 0.2, 0.3])
    trimap = coarse.repeat(7, axis=0).repeat(7, axis=1)
    patches = list(walk(patch_grid((42, 35), 16, 2)))
    assert len(patches) == 9
    mixed = []
    for i, patch in enumerate(patches):
        part = trimap[patch.top :, patch.left :][:16, :16]
        shares = [Fraction(int((part == c).sum()), part.size) for c in (0, 128, 255)]
        mixed.append((sum(s * s for s in shares), i))
    found = candidates(trimap, patches, count)
    assert found.tolist() == sorted(i for _, i in sorted(mixed)[:count])


def test_unknown_pixels_beyond_the_border_are_none() -> None:
    trimap = np.zeros((20, 30), np.uint8)
    trimap[19, 29] = 128
    patches = list(walk(patch_grid((30, 20), 16, 4)))
    assert unknown_in(trimap, patches).tolist() == [p.left == 24 and p.top > 0 for p in patches]


def test_pad() -> None:
    assert pad(2, 3).tolist() == [[0, 0, -1e4]] and pad(2, 3).dtype == np.float32
    assert pad(0, 2).tolist() == [[pytest.approx(-1e4)] * 2]
