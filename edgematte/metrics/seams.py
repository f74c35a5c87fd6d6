"""Whether the borders of patches show in an alpha that was stitched from them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.runtime.host.patches import Patch

VISIBLE = 2.0
"""*Chosen*: from this score on alpha changes twice as much across borders as elsewhere."""


def seam_score(
    alpha: Floats, patches: Sequence[Patch], unknown: NDArray[np.bool_] | None = None
) -> float:
    """Gradient energy across patch borders over that inside; about 1 where no border shows.

    The energy of a set of neighbouring pixel pairs is the mean of their squared differences. A
    pair is across a border where a patch begins or ends between the two; a border is as long as
    its patch, and of its pairs only those along the axis it crosses are compared.

    Args:
        alpha: (H, W).
        patches: what it was stitched from.
        unknown: (H, W), pairs outside of which do not count; by default all do.

    Returns:
        The ratio; 1 where nothing changes at all, or where there is no border.
    """
    if unknown is None:
        unknown = np.ones(alpha.shape, np.bool_)
    sums = np.zeros((2, 2))  # across, inside: energy, pairs
    for axis, (plane, mask) in enumerate(((alpha, unknown), (alpha.T, unknown.T))):
        energy = np.square(np.diff(plane, axis=1), dtype=np.float64)
        both = mask[:, 1:] & mask[:, :-1]
        energy *= both
        across = _across(plane.shape, [_box(p, axis) for p in patches])
        for row, chosen in zip(sums, (across, ~across), strict=True):
            row += energy[chosen].sum(), both[chosen].sum()
    (across_energy, across_pairs), (inside_energy, inside_pairs) = sums
    if not across_pairs or not across_energy:
        return 1.0
    inside_mean = inside_energy / max(inside_pairs, 1)
    return float(across_energy / across_pairs / inside_mean) if inside_mean else np.inf


def _box(patch: Patch, axis: int) -> tuple[int, int, int, int]:
    """First and end along the axis, then along the other one; axis 0 is x."""
    x = patch.left, patch.left + patch.side
    y = patch.top, patch.top + patch.height
    return (*x, *y) if axis == 0 else (*y, *x)


def _across(
    shape: tuple[int, ...], boxes: Sequence[tuple[int, int, int, int]]
) -> NDArray[np.bool_]:
    """Which pairs (H, W - 1) of neighbours in a row have a box's border between them."""
    across = np.zeros((shape[0], shape[1] - 1), np.bool_)
    for start, stop, top, bottom in boxes:
        for border in (start, stop):
            if 0 < border < shape[1]:
                across[top:bottom, border - 1] = True
    return across
