"""The gradient metric: do the two mattes change over the same distances?"""

import math

import numpy as np
import numpy.typing as npt

from edgematte.metrics.pair import Alpha, Region, bands, check_pair

SIGMA_PX = 1.4
EPSILON = 1e-2

FloatPlane = npt.NDArray[np.float64]


def _kernels() -> tuple[FloatPlane, FloatPlane]:
    """The Gaussian and its derivative, each of unit L2 norm, cut where the Gaussian is EPSILON.

    Their outer product is the public evaluation code's 9 x 9 kernel, which has unit L2 norm too.
    """
    peak = 1 / (math.sqrt(2 * math.pi) * SIGMA_PX)
    half = math.ceil(SIGMA_PX * math.sqrt(2 * math.log(peak / EPSILON)))
    x = np.arange(-half, half + 1, dtype=np.float64)
    smooth = peak * np.exp(-np.square(x) / (2 * SIGMA_PX**2))
    slope = -x * smooth / SIGMA_PX**2
    return smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)


SMOOTH, SLOPE = _kernels()
HALF_PX = len(SMOOTH) // 2


def grad(alpha: Alpha, reference: Alpha, region: Region | None = None) -> float:
    """Sum over the region of the squared difference of gradient magnitudes, divided by 1000.

    Rhemann et al. 2009 with q = 2: the magnitudes are of first-order Gaussian
    derivatives, sigma 1.4, taken on the whole picture with its border pixels repeated outwards;
    only then is the region cut out. The mattes are compared as they are, as in GCA's Python; the
    MATLAB code of Deep Image Matting and RobustVideoMatting's Python first stretch each to [0, 1],
    which changes nothing for a matte that has both a 0 and a 1.

    alpha, reference: floating (H, W) in [0, 1]; region: bool (H, W), None for every pixel.
    An empty region gives 0. Raises PictureError for anything else.
    """
    check_pair(alpha, reference, region)
    total = 0.0
    for rows in bands(*alpha.shape):
        if region is not None and not region[rows].any():
            continue
        error = np.square(_magnitude(alpha, rows) - _magnitude(reference, rows))
        total += float(error.sum() if region is None else error[region[rows]].sum())
    return total / 1000


def _magnitude(picture: Alpha, rows: slice) -> FloatPlane:
    along_x, along_y = gaussian_derivatives(picture, rows)
    magnitude: FloatPlane = np.sqrt(np.square(along_x) + np.square(along_y))
    return magnitude


def gaussian_derivatives(picture: Alpha, rows: slice) -> tuple[FloatPlane, FloatPlane]:
    """Derivatives along x and y of a picture, for a slice of its rows, borders repeated outwards.

    picture: floating (H, W); rows: a slice with both ends, 0 <= start < stop <= H.
    Returns two float64 (rows, W). Equal to convolving with outer(SMOOTH, SLOPE) and its transpose.
    """
    height = picture.shape[0]
    reached = np.clip(np.arange(rows.start - HALF_PX, rows.stop + HALF_PX), 0, height - 1)
    padded = np.pad(picture[reached].astype(np.float64), ((0, 0), (HALF_PX, HALF_PX)), mode="edge")
    # Down the columns first: that leaves no more than the rows asked for to be filtered across.
    along_x = _convolved(_convolved(padded, SMOOTH).T, SLOPE).T
    along_y = _convolved(_convolved(padded, SLOPE).T, SMOOTH).T
    return along_x, along_y


def _convolved(padded: FloatPlane, kernel: FloatPlane) -> FloatPlane:
    """Convolution along the first axis where the kernel fits: (N + 2 HALF_PX, M) to (N, M)."""
    length = padded.shape[0] - 2 * HALF_PX
    total: FloatPlane = kernel[0] * padded[2 * HALF_PX :]
    for k, weight in enumerate(kernel[1:], start=1):
        total += weight * padded[2 * HALF_PX - k : 2 * HALF_PX - k + length]
    return total
