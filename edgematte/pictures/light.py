"""The light behind stored values: tone curves of ICC profiles."""

import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats

SAMPLES = 65_536  # of a curve: as many as 16 bits have values
STEPS = np.linspace(0, 1, SAMPLES)
CHANNELS = (b"rTRC", b"gTRC", b"bTRC")
PARAMETERS = (1, 3, 4, 5, 7)  # how many each function of a parametric curve has (ICC.1, 10.18)
SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Parameters of IEC 61966-2-1 as a parametric curve of function 3: g, a, b, c, d."""


class Light:
    """The tone curves of a profile's three channels: stored values in [0, 1] and light in [0, 1].

    Profiles that are tables from colour to colour have no such curves; theirs are taken as sRGB's.
    """

    def __init__(self, profile: bytes | None = None) -> None:
        """``profile`` is an ICC profile of RGB colours; None: sRGB."""
        self._curves = curves_of(profile)

    def of(self, colours: NDArray[np.integer]) -> Floats:
        """Stored colours (n, 3), uint8 or uint16 -> light (n, 3)."""
        step = (SAMPLES - 1) // np.iinfo(colours.dtype).max
        rows = [curve[colours[:, i].astype(np.intp) * step] for i, curve in enumerate(self._curves)]
        return np.stack(rows, axis=1).astype(np.float32)

    def stored(self, light: Floats) -> Floats:
        """Light (n, 3) -> stored values (n, 3) in [0, 1]."""
        rows = [np.interp(light[:, i], curve, STEPS) for i, curve in enumerate(self._curves)]
        return np.stack(rows, axis=1).astype(np.float32)


@lru_cache(8)
def curves_of(profile: bytes | None) -> tuple[NDArray[np.float64], ...]:
    """Light at :data:`STEPS` of stored values, rising, for red, green and blue."""
    srgb = _parametric(3, SRGB)
    if profile is None:
        return srgb, srgb, srgb
    try:
        tags = _tags(profile)
        found = [_curve(tags[name]) for name in CHANNELS]
    except (KeyError, ValueError, struct.error):
        return srgb, srgb, srgb
    if not all(np.isfinite(curve).all() and curve[-1] > curve[0] for curve in found):
        return srgb, srgb, srgb
    return tuple(np.maximum.accumulate(np.clip(curve, 0, 1)) for curve in found)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """The contents of a profile's tags by name (ICC.1, 7.3)."""
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = {}
    for i in range(min(count, 200)):
        name, place, size = struct.unpack_from(">4sII", profile, 132 + 12 * i)
        tags[name] = profile[place : place + size]
    return tags


def _curve(tag: bytes) -> NDArray[np.float64]:
    """A tone curve (ICC.1, 10.6 and 10.18)."""
    if tag.startswith(b"curv"):
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return STEPS
        table = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        if count == 1:
            return np.asarray(STEPS ** (table[0] / 256))
        return np.interp(STEPS, np.linspace(0, 1, count), table / 65535)
    if tag.startswith(b"para"):
        (function,) = struct.unpack_from(">H", tag, 8)
        if function < len(PARAMETERS):
            numbers = struct.unpack_from(f">{PARAMETERS[function]}i", tag, 12)
            return _parametric(function, tuple(n / 65536 for n in numbers))
    raise ValueError("no tone curve")


def _parametric(function: int, numbers: tuple[float, ...]) -> NDArray[np.float64]:
    """The function of a parametric curve: a power, and below its start a line."""
    g, a, b, c, d, e, f = (*numbers, *(0.0,) * (7 - len(numbers)))
    if function == 0:
        return np.asarray(STEPS**g)
    if function in (1, 2):
        below, start = c, -b / a if a else 0.0
        above = np.maximum(a * STEPS + b, 0) ** g + c
        return np.where(start <= STEPS, above, below)
    above = np.maximum(a * STEPS + b, 0) ** g + e
    return np.where(d <= STEPS, above, c * STEPS + f)
