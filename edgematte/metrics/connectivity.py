"""The connectivity metric: do the two mattes hang together in the same way?"""

import numpy as np
import numpy.typing as npt

from edgematte.metrics.components import largest_component
from edgematte.metrics.pair import Alpha, Region, bands, check_pair

LEVELS = np.arange(11) / 10
THETA = 0.15


def conn(alpha: Alpha, reference: Alpha, region: Region | None = None) -> float:
    """Sum over the region of the difference of the two mattes' connectivities, divided by 1000.

    Rhemann et al. 2009 with p = 1 and theta = 0.15, at levels 0, 0.1 .. 1, as the
    MATLAB code of Deep Image Matting computes it. At each level the source region Omega is the
    largest 4-connected component of the pixels where BOTH mattes are >= the level; l of a pixel is
    the level before the first (from 0.1 up) whose Omega lacks it, or 1 if none does. With
    d = alpha - l, a matte's connectivity there is 1 - d where d >= 0.15, else 1.
    Components and l are of the whole picture; the region says which pixels are summed.

    Where public code differs:
    * a level that no pixel reaches has an empty Omega here, so a pixel connected up to 0.9 has
      l = 0.9 (as in RobustVideoMatting). IndexNet's and GCA's Python leave such pixels unassigned,
      which makes their l 1;
    * GCA's Python counts the background as a component, so Omega is the background wherever that
      is the larger; its own header reports figures about 5 % below MATLAB's;
    * levels are the floats nearest 0.1, 0.2 .. in each matte's own dtype, so an 8-bit picture
      scores the same in float32, in float64 and in MATLAB's single; arange(0, 1.1, 0.1) in float64
      (mmagic) puts 0.6 above 153 / 255, which moved Conn by 1.08 % on a closed-form matte;
    * of equally large components the first row by row is taken; MATLAB takes the first column by
      column.

    alpha, reference: floating (H, W) in [0, 1]; region: bool (H, W), None for every pixel.
    An empty region gives 0. Raises PictureError for anything else.
    """
    check_pair(alpha, reference, region)
    connected = _connected_level(alpha, reference)
    total = 0.0
    for rows in bands(*alpha.shape):
        level = LEVELS[connected[rows]]
        error = np.abs(_excess(alpha[rows] - level) - _excess(reference[rows] - level))
        total += float(error.sum() if region is None else error[region[rows]].sum())
    return total / 1000


def _connected_level(alpha: Alpha, reference: Alpha) -> npt.NDArray[np.uint8]:
    """Index into LEVELS of the last level up to which each pixel stays in Omega: uint8 (H, W)."""
    connected = np.zeros(alpha.shape, dtype=np.uint8)
    within = np.ones(alpha.shape, dtype=np.bool_)
    for level in LEVELS[1:]:
        both = (alpha >= alpha.dtype.type(level)) & (reference >= reference.dtype.type(level))
        within &= largest_component(both)
        if not within.any():
            break
        connected += within
    return connected


def _excess(above: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What a matte has above its connected level, small amounts not counted: 1 - phi."""
    return np.where(above >= THETA, above, 0.0)
