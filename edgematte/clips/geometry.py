"""How stored pixels become the picture that players show: turned, mirrored, with square pixels."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.clips.side_data import side_data

MOST = 4  # no format has pixels wider than 4:1 or narrower than 1:4: such a header is damaged


def display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """(a, b, c, d) of a decoded frame's display matrix: x' = a x + c y, y' = b x + d y.

    None where the frame has none. The units do not matter.
    """
    try:
        data = side_data(frame, "DISPLAYMATRIX")
    except ValueError:
        turns = (1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0)
        return turns[round(int(frame.rotation) / 90) % 4]
    if data is None:
        return None
    a, b, _, c, d, *_ = np.frombuffer(data, np.int32)
    return int(a), int(b), int(c), int(d)


def upright(pixels: NDArray[Any], matrix: Sequence[int] | None) -> NDArray[Any]:
    """Turn and mirror a picture (H, W, ...) as its display matrix asks, to the nearest right angle.

    Args:
        pixels: as they are stored.
        matrix: see :func:`display_matrix`; its determinant is negative for a mirrored picture.
    """
    if matrix is None:
        return pixels
    a, b, c, d = matrix
    if abs(a) + abs(d) < abs(b) + abs(c):  # x' comes from y: a quarter turn, or its mirror image
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    rows = slice(None, None, -1 if d < 0 else 1)
    columns = slice(None, None, -1 if a < 0 else 1)
    return np.ascontiguousarray(pixels[rows, columns])


def square(size: tuple[int, int], shape: Fraction | None) -> tuple[int, int]:
    """The size (width, height) with square pixels: the side along which pixels are long grows.

    Args:
        size: (width, height) as stored.
        shape: width of a pixel by its height; None where the file does not say.
    """
    width, height = size
    if shape is None or not believable(shape):
        return size
    if shape > 1:
        return round(width * shape), height
    return width, round(height / shape)


def believable(shape: Fraction) -> bool:
    """Whether pixels may have this shape, width by height."""
    return Fraction(1, MOST) <= shape <= MOST
