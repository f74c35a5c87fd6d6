"""What a patch looked at to find the alpha of one pixel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.runtime.host.patches import Patch, window
from edgematte.runtime.host.trimap import UNKNOWN


@dataclass(frozen=True)
class Explanation:
    """A pixel, the patch that gave its alpha, and the contexts of that patch, the best first."""

    pixel: tuple[int, int]  # x, y
    patch: Patch
    contexts: tuple[Patch, ...]
    attention: Floats  # (contexts, h, w), the weight of each place of each context


def pixel_to_explain(trimap: Bytes, patches: Sequence[Patch]) -> tuple[int, int]:
    """x and y of the unknown pixel nearest to the middle of the patch with the most unknown pixels.

    Raises:
        OptionError: no pixel is unknown.
    """
    counts = [int((window(trimap, p) == UNKNOWN).sum()) for p in patches]
    patch = patches[int(np.argmax(counts))]
    y, x = np.nonzero(window(trimap, patch) == UNKNOWN)
    if not len(y):
        raise OptionError("the trimap has no unknown pixel, so that there is nothing to explain")
    nearest = int(np.argmin(np.hypot(y - patch.side / 2, x - patch.side / 2)))
    return patch.left + int(x[nearest]), patch.top + int(y[nearest])


def patch_of(pixel: tuple[int, int], trimap: Bytes, patches: Sequence[Patch]) -> int:
    """Number of the patch, of those with unknown pixels, whose borders are farthest from the pixel.

    Raises:
        OptionError: the pixel is not unknown, or not in the picture.
    """
    x, y = pixel
    inside = 0 <= x < trimap.shape[1] and 0 <= y < trimap.shape[0]
    if not inside or trimap[y, x] != UNKNOWN:
        raise OptionError(f"the pixel {x},{y} is not unknown in the trimap: its alpha is known")
    depths = [
        min(x - p.left, p.left + p.side - 1 - x, y - p.top, p.top + p.side - 1 - y) for p in patches
    ]
    return int(np.argmax(depths))
