"""Small pictures under numbered names."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte import testcard
from edgematte.arrays import Bytes

SIZE = (48, 32)


def frame(number: int) -> Bytes:
    """What a camera sees that pans over the test card."""
    wide = testcard.testcard(SIZE[0] + 40, SIZE[1])
    return np.ascontiguousarray(wide[:, number % 40 : number % 40 + SIZE[0]])


def square(left: int, size: tuple[int, int] = SIZE, side: int = 12) -> Bytes:
    """A mask: a bright square in the middle of the height."""
    mask = np.zeros(size[::-1], np.uint8)
    top = (size[1] - side) // 2
    mask[top : top + side, left : left + side] = 255
    return mask


def save(path: Path, array: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path
