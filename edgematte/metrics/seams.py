"""Whether the borders of patches show in an alpha that was stitched from them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgematte.runtime.patches import Patch

Floats = NDArray[np.float32]
VISIBLE = 2.0
"""*Chosen*: from this score on, borders change alpha twice as much as its own edges do."""


def seam_score(
    alpha: Floats, patches: Sequence[Patch], unknown: NDArray[np.bool_] | None = None
) -> float:
    """Gradient energy across patch borders over that inside; about 1 where no border shows.

    The energy of a set of neighbouring pixel pairs is the mean of their squared differences. A
    pair is across a border where a patch begins or ends between the two, and of a border's pairs
    only those along the axis it crosses are compared.

    Args:
        alpha: (H, W).
        patches: what it was stitched from.
        unknown: (H, W), pairs outside of which do not count; by default all do.

    Returns:
        The ratio; 1 where nothing changes at all, or where there is no border.
    """
    height, width = alpha.shape
    if unknown is None:
        unknown = np.ones(alpha.shape, np.bool_)
    sums = np.zeros((2, 2))  # across, inside: energy, pairs
    for plane, mask, starts, length in (
        (alpha, unknown, [p.left for p in patches], width),
        (alpha.T, unknown.T, [p.top for p in patches], height),
    ):
        ends = [start + p.side for start, p in zip(starts, patches, strict=True)]
        borders = np.array(sorted({n for n in (*starts, *ends) if 0 < n < length}), np.intp)
        energy = np.square(np.diff(plane, axis=1), dtype=np.float64)
        both = mask[:, 1:] & mask[:, :-1]
        energy *= both
        across = np.zeros(length - 1, np.bool_)
        across[borders - 1] = True
        for row, chosen in zip(sums, (across, ~across), strict=True):
            row += energy[:, chosen].sum(), both[:, chosen].sum()
    (across_energy, across_pairs), (inside_energy, inside_pairs) = sums
    if not across_pairs or not across_energy:
        return 1.0
    inside_mean = inside_energy / max(inside_pairs, 1)
    return float(across_energy / across_pairs / inside_mean) if inside_mean else np.inf
