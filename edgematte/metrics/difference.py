"""The pixel-wise metrics: SAD, MSE and MAD."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edgematte.metrics.pair import Alpha, Region, bands, check_pair


def sad(alpha: Alpha, reference: Alpha, region: Region | None = None) -> float:
    """Sum of absolute differences over the region, divided by 1000 (Rhemann et al. 2009).

    alpha, reference: floating (H, W) in [0, 1]; region: bool (H, W), None for every pixel.
    An empty region gives 0. Raises PictureError for anything else.
    """
    check_pair(alpha, reference, region)
    return sum(float(np.abs(d).sum()) for d in _differences(alpha, reference, region)) / 1000


def mse(alpha: Alpha, reference: Alpha, region: Region | None = None) -> float:
    """Mean of squared differences over the region (Rhemann et al. 2009).

    Not scaled: papers often print it times 1000 (RobustVideoMatting's evaluation does).
    alpha, reference: floating (H, W) in [0, 1]; region: bool (H, W), None for every pixel.
    An empty region gives 0. Raises PictureError for anything else.
    """
    check_pair(alpha, reference, region)
    total = sum(float(np.square(d).sum()) for d in _differences(alpha, reference, region))
    return total / max(1, _pixels(alpha, region))


def mad(alpha: Alpha, reference: Alpha, region: Region | None = None) -> float:
    """Mean of absolute differences over the region; SAD x 1000 / pixels.

    Not scaled: papers often print it times 1000 (RobustVideoMatting's evaluation does).
    alpha, reference: floating (H, W) in [0, 1]; region: bool (H, W), None for every pixel.
    An empty region gives 0. Raises PictureError for anything else.
    """
    check_pair(alpha, reference, region)
    total = sum(float(np.abs(d).sum()) for d in _differences(alpha, reference, region))
    return total / max(1, _pixels(alpha, region))


def _pixels(alpha: Alpha, region: Region | None) -> int:
    return alpha.size if region is None else int(np.count_nonzero(region))


def _differences(
    alpha: Alpha, reference: Alpha, region: Region | None
) -> Iterator[npt.NDArray[np.float64]]:
    """alpha - reference in float64, band by band; with a region, its pixels only."""
    for rows in bands(*alpha.shape):
        band = np.subtract(alpha[rows], reference[rows], dtype=np.float64)
        yield band if region is None else band[region[rows]]
