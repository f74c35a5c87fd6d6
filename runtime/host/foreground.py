"""Foreground colours without the background's tint: blur fusion, twice.

Where alpha is between 0 and 1 the picture's colour is a mixture of foreground and background, and a
cut-out that keeps it shows a halo on any other background. "Approximate Fast Foreground Colour
Estimation" (Forte, ICIP 2021) blurs foreground and background, weighted by alpha, and then moves
the foreground one step towards colours that compose to the picture.
"""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.trimap import STRIP

RADII_PX = (45, 3)  # half sides of the two box blurs: 91 and 7 pixels wide


def estimate_foreground(picture: Bytes, alpha: Floats) -> Bytes:
    """Picture (H, W, 3) and alpha (H, W) in [0, 1] -> foreground colours (H, W, 3) uint8.

    Where alpha is 1 they are the picture's own colours; where it is 0, those of nearby foreground.
    """
    out = np.empty_like(picture)
    halo = sum(RADII_PX)
    for top in range(0, len(picture), STRIP):
        first, last = max(top - halo, 0), min(top + STRIP + halo, len(picture))
        image = picture[first:last].astype(np.float32)
        weight = alpha[first:last, :, None].astype(np.float32)
        foreground, background = image, image
        for radius in RADII_PX:
            foreground, background = _fuse(image, foreground, background, weight, radius)
        kept = foreground[top - first : top - first + STRIP]
        np.rint(np.clip(kept, 0, 255), out=kept)
        out[top : top + STRIP] = kept
    return out


def _fuse(
    image: Floats, foreground: Floats, background: Floats, alpha: Floats, radius_px: int
) -> tuple[Floats, Floats]:
    """One blur and one step: colours (h, w, 3), alpha (h, w, 1)."""
    near = _mean(foreground, alpha, radius_px)
    behind = _mean(background, 1 - alpha, radius_px)
    return near + alpha * (image - alpha * near - (1 - alpha) * behind), behind


def _mean(colour: Floats, weight: Floats, radius_px: int) -> Floats:
    """Mean colour in a box around every pixel, weighted; windows end at the border."""
    small = np.float32(1e-5)  # where all weights are 0 this gives about the plain mean of colours
    weighted = np.concatenate([colour * (weight + small), weight + small], axis=2)
    for axis in (0, 1):
        weighted = _window_sum(weighted, radius_px, axis)
    mean: Floats = (weighted[..., :3] / weighted[..., 3:]).astype(np.float32)
    return mean


def _window_sum(array: NDArray[np.floating], radius_px: int, axis: int) -> NDArray[np.float64]:
    length = array.shape[axis]
    sums = np.zeros([n + (i == axis) for i, n in enumerate(array.shape)])
    np.cumsum(array, axis=axis, dtype=np.float64, out=_tail(sums, axis))
    index = np.arange(length)
    upper = np.take(sums, np.minimum(index + radius_px + 1, length), axis=axis)
    upper -= np.take(sums, np.maximum(index - radius_px, 0), axis=axis)
    return upper


def _tail(array: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return array[1:] if axis == 0 else array[:, 1:]
