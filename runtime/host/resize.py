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

    ``box`` is that of :meth:`Planes.resized`. Enlarging equals torch's
    ``interpolate(mode="bilinear", align_corners=False)``.
    """
    if box is None and (planes.shape[2], planes.shape[1]) == size:
        return planes
    return Planes(planes).resized(size, box)


class Planes:
    """Planes (C, h, w) float32 of which parts are resized, many of them."""

    def __init__(self, planes: Floats) -> None:
        """Take a copy in Pillow's form, once for all parts."""
        self.shape = planes.shape
        self._images = [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes]

    def resized(
        self, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
    ) -> Floats:
        """(C, height, width) as :func:`resize_planes`.

        ``box`` (left, top, right, bottom), in source pixels, selects a part; samples near its edge
        still mix in the pixels around it.
        """
        out = np.empty((len(self._images), size[1], size[0]), np.float32)
        for image, target in zip(self._images, out, strict=True):
            target[...] = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
        return out
