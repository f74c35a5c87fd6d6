"""Resizing on the host, by Pillow's triangle filter (half-pixel centres, edges renormalised)."""

import numpy as np
from PIL import Image

from edgematte.arrays import Bytes, Floats


def resize_picture(picture: Bytes, size: tuple[int, int]) -> Bytes:
    """Picture (H, W, 3) uint8 -> (height, width, 3) uint8; ``size`` is (width, height).

    Antialiased when reducing. The result is rounded to bytes, so that every port can match it
    exactly.
    """
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def resize_planes(
    planes: Floats, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> Floats:
    """Planes (C, h, w) float32 -> (C, height, width); ``size`` is (width, height).

    ``box`` (left, top, right, bottom), in source pixels, selects a part; samples near its edge
    still mix in the pixels around it. Enlarging equals torch's
    ``interpolate(mode="bilinear", align_corners=False)``.
    """
    if box is None and (planes.shape[2], planes.shape[1]) == size:
        return planes
    out = np.empty((len(planes), size[1], size[0]), np.float32)
    for plane, target in zip(planes, out, strict=True):
        image = Image.fromarray(np.ascontiguousarray(plane))
        target[...] = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
    return out
