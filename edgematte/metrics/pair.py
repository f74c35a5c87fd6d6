"""What every metric takes: a matte, its reference, and the region that counts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgematte.errors import PictureError

Alpha = npt.NDArray[np.floating[Any]]
Region = npt.NDArray[np.bool_]

BAND_PIXELS = 1 << 16
"""Pixels worked on at a time in float64, so that temporaries stay in the processor's cache."""


def check_pair(alpha: Alpha, reference: Alpha, region: Region | None) -> None:
    """Refuse with `PictureError` what no metric is defined on.

    alpha, reference: floating, the same (H, W) with at least one pixel, values in [0, 1], no NaN.
    region: bool (H, W), or None for the whole picture.
    """
    _check_alpha("alpha", alpha)
    _check_alpha("reference", reference)
    if alpha.shape != reference.shape:
        raise PictureError(
            "alpha and reference must have one shape, "
            f"got {alpha.shape} and {reference.shape}; resize alpha to the reference"
        )
    if region is None:
        return
    if not isinstance(region, np.ndarray) or region.dtype != np.bool_:
        raise PictureError(
            f"region must be a bool array (H, W), got {_described(region)}; "
            "of a trimap, take unknown_region(trimap)"
        )
    if region.shape != alpha.shape:
        raise PictureError(f"region must have alpha's shape {alpha.shape}, got {region.shape}")


def _check_alpha(name: str, picture: Alpha) -> None:
    if not isinstance(picture, np.ndarray) or picture.dtype.kind != "f" or picture.ndim != 2:
        raise PictureError(
            f"{name} must be a float array (H, W) with values in [0, 1], "
            f"got {_described(picture)}; an 8-bit picture needs to be divided by 255 first"
        )
    if picture.size == 0:
        raise PictureError(f"{name} must have at least one pixel, got shape {picture.shape}")
    lowest, highest = float(picture.min()), float(picture.max())
    if np.isnan(lowest):
        raise PictureError(f"{name} must have values in [0, 1], got NaN")
    if lowest < 0 or highest > 1:
        raise PictureError(
            f"{name} must have values in [0, 1], got {lowest:g} to {highest:g}; rescale or clip it"
        )


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__


def bands(height: int, width: int) -> Iterator[slice]:
    """Slices of rows that cover a picture from top to bottom, each about `BAND_PIXELS` pixels."""
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
