"""Primaries of scene-linear light: to those of sRGB and back."""

import numpy as np
from numpy.typing import NDArray

Chromaticities = tuple[float, ...]
"""x and y of red, green, blue and white (CIE 1931), as OpenEXR has them."""

SRGB: Chromaticities = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""From XYZ to the responses of cones in which whites are adapted (Lam, 1985)."""


def to_srgb(chromaticities: Chromaticities) -> NDArray[np.float32]:
    """The matrix (3, 3) from light of these primaries to sRGB's; white becomes white.

    Raises:
        ValueError: primaries that span no colours.
    """
    own, target = _to_xyz(chromaticities), _to_xyz(SRGB)
    white, wanted = BRADFORD @ own.sum(axis=1), BRADFORD @ target.sum(axis=1)
    adapted = np.linalg.inv(BRADFORD) @ np.diag(wanted / white) @ BRADFORD
    try:
        matrix = np.linalg.inv(target) @ adapted @ own
    except np.linalg.LinAlgError as error:
        raise ValueError(str(error)) from None
    if not np.isfinite(matrix).all():
        raise ValueError("the primaries span no colours")
    return np.asarray(matrix, np.float32)


def _to_xyz(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """The matrix from light of these primaries to XYZ, white's Y being 1."""
    x, y = np.array(chromaticities, np.float64).reshape(4, 2).T
    if not (y > 0).all():
        raise ValueError("a primary without light")
    xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    try:
        return np.asarray(xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3]))
    except np.linalg.LinAlgError as error:
        raise ValueError(str(error)) from None
