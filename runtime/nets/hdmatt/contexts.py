"""Which patches of a picture a patch looks at: HDMatt, section 3.2.1."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.patches import Patch, window
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND

Indices = NDArray[np.int32]

MISSING = -1e4
"""Added to the logits of a missing context, so that it gets no weight."""


def candidates(trimap: Bytes, patches: Sequence[Patch], count: int) -> Indices:
    """The patches that may be contexts, ascending: all of them, or the ``count`` most mixed.

    How mixed a patch is, is the Gini impurity of its classes, 1 - sum of squared shares: the most
    mixed patches show foreground and background beside unknown pixels. Of equally mixed patches the
    earlier ones are taken. (The paper limits candidates to 30 and does not say which.)
    """
    if len(patches) <= count:
        return np.arange(len(patches), dtype=np.int32)
    impurity = np.empty(len(patches))
    for i, patch in enumerate(patches):
        part = window(trimap, patch)
        sums = [int(np.count_nonzero(part == c)) for c in (BACKGROUND, FOREGROUND)]
        sums.append(part.size - sum(sums))
        impurity[i] = (part.size**2 - sum(n * n for n in sums)) / part.size**2  # whole numbers
    best = np.argsort(-impurity, kind="stable")[:count]
    return np.sort(best).astype(np.int32)


def best_contexts(query: Floats, contexts: Floats, k: int, itself: int = -1) -> Indices:
    """The k contexts of the highest score, best first; the earlier of equal ones.

    Eq. 1 sums the dot products of all pairs of pixels, which is the dot product of the two sums of
    pixels. Eq. 2, a softmax, does not change the order of scores.

    Args:
        query: (C,), pooled key of the query's unknown region.
        contexts: (N, C), pooled keys.
        k: how many to choose; all of them where there are fewer.
        itself: the number of the query among the contexts: it is never chosen; -1 where the query
            is not one of the contexts.
    """
    scores = contexts @ query
    order: Indices = np.argsort(-scores, kind="stable").astype(np.int32)
    best: Indices = order[order != itself][:k]
    return best


def pad(count: int, k: int) -> Floats:
    """(1, k) for ``count`` contexts: 0 for those, MISSING for the rest."""
    return np.where(np.arange(k) < count, np.float32(0), np.float32(MISSING))[None]
