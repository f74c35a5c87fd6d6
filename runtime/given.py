"""Checks of what a caller gives: a picture, its own alpha channel, a trimap of the same size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError, PictureError
from edgematte.runtime.host.mask import trimap_from_mask
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN, read_trimap


def check_trimap(
    trimap: NDArray[np.uint8] | None, image: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8] | None, int]:
    """The trimap with its three values only, and how many pixels had other values."""
    if trimap is None:
        return None, 0
    given = np.asarray(trimap)
    if given.dtype != np.uint8:
        raise PictureError(f"the trimap should be uint8 (H, W), not {given.dtype}")
    return read_trimap(given, (image.shape[1], image.shape[0]))


def take_trimap(
    trimap: Bytes | None, mask: NDArray[Any] | None, image: Bytes
) -> tuple[Bytes | None, int]:
    """As :func:`check_trimap`, or the trimap that a mask says.

    Raises:
        OptionError: both were given.
    """
    if mask is None:
        return check_trimap(trimap, image)
    if trimap is not None:
        raise OptionError("a trimap and a mask were given: give one of them")
    return trimap_from_mask(mask, (image.shape[1], image.shape[0])), 0


def check_image(image: Any) -> NDArray[np.uint8]:
    """The image as a uint8 (H, W, 3) array.

    Raises:
        PictureError: saying what came instead.
    """
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise PictureError(
            "the image should be uint8 (H, W, 4) with its own alpha or uint8 (H, W, 3) RGB, not "
            f"{array.dtype} {list(array.shape)}{_how_to_convert(array)}"
        )
    return array


def _how_to_convert(array: NDArray[Any]) -> str:
    """What makes a picture of an array that holds one in another way; empty where nothing does."""
    if not array.size:
        return ""
    if array.ndim == 4 and array.shape[-1] in (3, 4):
        return "; give one picture at a time, image[0], or all of them to many"
    if array.ndim == 3 and array.shape[0] in (3, 4) and array.shape[2] not in (3, 4):
        return "; channels come last: image.transpose(1, 2, 0), of a tensor .permute(1, 2, 0)"
    if array.dtype.kind == "f" and np.isfinite(array).all():
        if array.min() >= 0 and array.max() <= 1:
            return "; values from 0 to 1 become bytes by (image * 255).round().astype('uint8')"
        if array.min() >= 0 and array.max() <= 255:
            return "; values from 0 to 255 become bytes by image.round().astype('uint8')"
    if array.dtype == np.uint16:
        return "; 16 bits become bytes by (image >> 8).astype('uint8')"
    if array.dtype == np.uint8 and array.ndim == 2:
        return "; grey becomes three equal channels by image[..., None].repeat(3, axis=2)"
    return ""


def split_alpha(image: Any) -> tuple[Any, Bytes | None]:
    """Split a uint8 (H, W, 4) picture into colours and alpha; return anything else unchanged."""
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 4:
        return image, None
    return np.ascontiguousarray(array[..., :3]), np.ascontiguousarray(array[..., 3])


def with_own_alpha(alpha: Floats, trimap: Bytes, own: NDArray[Any] | None) -> tuple[Floats, Bytes]:
    """Multiply alpha by the picture's own alpha, so that what it clears stays clear.

    The trimap becomes background where the own alpha is 0; where it is below 255, foreground
    becomes unknown.

    Args:
        alpha: (H, W) in [0, 1], of the matte.
        trimap: (H, W).
        own: (H, W), the picture's own alpha, integers or floats in [0, 1]; None: it is opaque.
    """
    if own is None:
        return alpha, trimap
    top = np.iinfo(own.dtype).max if own.dtype.kind == "u" else 1
    trimap = trimap.copy()
    trimap[(own < top) & (trimap == FOREGROUND)] = UNKNOWN
    trimap[own == 0] = BACKGROUND
    return alpha * (own.astype(np.float32) / np.float32(top)), trimap
