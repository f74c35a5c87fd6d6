"""What a caller gives: a picture, and a trimap of its size, checked once at the door."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import PictureError
from edgematte.runtime.host.trimap import read_trimap


def check_trimap(
    trimap: NDArray[np.uint8] | None, image: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8] | None, int]:
    """The trimap in the three values, and how many pixels had others."""
    if trimap is None:
        return None, 0
    given = np.asarray(trimap)
    if given.dtype != np.uint8:
        raise PictureError(f"the trimap should be uint8 (H, W), not {given.dtype}")
    return read_trimap(given, (image.shape[1], image.shape[0]))


def check_image(image: Any) -> NDArray[np.uint8]:
    """The image as a uint8 (H, W, 3) array.

    Raises:
        PictureError: saying what came instead.
    """
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise PictureError(
            f"the image should be uint8 (H, W, 3) RGB, not {array.dtype} {list(array.shape)}"
        )
    return array
