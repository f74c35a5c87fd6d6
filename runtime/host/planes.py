"""Pictures as the planes that graphs take."""

import numpy as np

from edgematte.arrays import Bytes, Floats

ROWS = 64  # converted at a time, so that they stay in the processor's cache


def to_input(picture: Bytes) -> Floats:
    """Picture (h, w, 3) uint8 -> graph input (1, 3, h, w) float32 in [0, 1]."""
    image = np.empty((1, 3, *picture.shape[:2]), np.float32)
    for top in range(0, len(picture), ROWS):
        strip = picture[top : top + ROWS].astype(np.float32)
        strip *= np.float32(1 / 255)
        image[0, :, top : top + ROWS] = strip.transpose(2, 0, 1)
    return image
