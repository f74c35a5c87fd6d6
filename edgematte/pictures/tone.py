"""The 8-bit view of scene-linear light that nets see: one curve for all pictures, stated here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.pictures.light import Light
from edgematte.pictures.primaries import Chromaticities, to_srgb

KNEE = np.float32(0.8)
"""*Chosen*: light up to this is shown as it is, and highlights above it have the levels that are
left, 0.8 * 255 being level 230 of sRGB."""
STRIP = 256  # rows that are worked on at a time


def shown(
    light: NDArray[Any], top: int = 255, primaries: Chromaticities | None = None
) -> NDArray[Any]:
    """Light (H, W, 3), 1 being white, -> sRGB values up to 255 (uint8) or 65535 (uint16).

    Up to the knee k light x stays as it is; above it, it becomes k + (1 - k) t / (1 + t) with t =
    (x - k) / (1 - k), which goes on with the same slope and never reaches 1. Exposure is not
    changed: dark pictures are seen dark. Negative light and NaN are black, infinity is white.
    ``primaries`` are those of the light; None: sRGB's.
    """
    out = np.empty(light.shape, np.uint8 if top == 255 else np.uint16)
    srgb, rest = Light(), 1 - KNEE
    matrix = None if primaries is None else to_srgb(primaries).T
    for first in range(0, len(light), STRIP):
        strip = light[first : first + STRIP].astype(np.float32)
        if matrix is not None:
            with np.errstate(invalid="ignore"):  # of infinities
                strip = strip @ matrix
        strip = np.where(strip > 0, strip, 0)  # of NaN too
        high = strip > KNEE
        strip[high] = 1 - rest / (1 + (strip[high] - KNEE) / rest)
        values = srgb.stored(strip.reshape(-1, 3)).reshape(strip.shape)
        out[first : first + STRIP] = (values * np.float32(top) + np.float32(0.5)).astype(out.dtype)
    return out


def light_of(colours: NDArray[Any], profile: bytes | None = None) -> NDArray[np.float32]:
    """Stored colours (H, W, 3), uint8 or uint16 -> the light they stand for, 1 being white."""
    out = np.empty(colours.shape, np.float32)
    curves = Light(profile)
    for first in range(0, len(colours), STRIP):
        strip = colours[first : first + STRIP]
        out[first : first + STRIP] = curves.of(strip.reshape(-1, 3)).reshape(strip.shape)
    return out
