"""All the metrics of one picture at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgematte.errors import PictureError
from edgematte.metrics.connectivity import conn
from edgematte.metrics.difference import mad, mse, sad
from edgematte.metrics.gradient import grad
from edgematte.metrics.pair import Alpha, Region


@dataclass(frozen=True)
class Scores:
    """How far a matte is from its reference; lower is better, 0 is equal.

    sad, grad, conn: sums over the region, divided by 1000. mse, mad: means over the region, not
    scaled. pixels: how many pixels the region has; when 0, so is everything else.
    """

    sad: float
    mse: float
    mad: float
    grad: float
    conn: float
    pixels: int


def scores(alpha: Alpha, reference: Alpha, trimap: npt.NDArray[np.uint8] | None = None) -> Scores:
    """Score a matte over the unknown region of a trimap, or over the whole picture without one.

    alpha, reference: floating (H, W) in [0, 1]; trimap: uint8 (H, W), see `unknown_region`.
    Raises PictureError for anything else.
    """
    region = None if trimap is None else unknown_region(trimap)
    return Scores(
        sad=sad(alpha, reference, region),
        mse=mse(alpha, reference, region),
        mad=mad(alpha, reference, region),
        grad=grad(alpha, reference, region),
        conn=conn(alpha, reference, region),
        pixels=alpha.size if region is None else int(np.count_nonzero(region)),
    )


def unknown_region(trimap: npt.NDArray[Any]) -> Region:
    """The pixels of a trimap that are neither background (0) nor foreground (255).

    Public evaluation code takes exactly 128, which is the same for the usual {0, 128, 255}; this
    also takes 127 and the values in between that resizing a trimap leaves.

    trimap: uint8 (H, W). Returns bool (H, W). Raises PictureError for anything else.
    """
    if not isinstance(trimap, np.ndarray) or trimap.dtype != np.uint8 or trimap.ndim != 2:
        came = (
            f"{trimap.dtype} {trimap.shape}"
            if isinstance(trimap, np.ndarray)
            else type(trimap).__name__
        )
        raise PictureError(
            f"trimap must be a uint8 array (H, W) of 0, 128 (unknown) and 255, got {came}"
        )
    return (trimap > 0) & (trimap < 255)
