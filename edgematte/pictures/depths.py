"""Colours at the depth of a format: 8 or 16 bits of stored values, or floats of light."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes
from edgematte.errors import OptionError
from edgematte.pictures.formats import Format
from edgematte.pictures.primaries import Chromaticities
from edgematte.pictures.profiles import in_srgb, is_srgb
from edgematte.pictures.tone import light_of, shown

LIGHT = "colour32"  # a format that holds light holds this mode
DEEP = "colour16"


def at_depth(
    colours: NDArray[Any],
    row: Format,
    profile: bytes | None = None,
    primaries: Chromaticities | None = None,
) -> NDArray[Any]:
    """Colours (H, W, 3) of any depth, as deep as a format holds them.

    As they are where it can. Of 16 bits the high 8; of light the view that nets see
    (:func:`edgematte.pictures.tone.shown`), in 16 bits where the format has them. A format of light
    gets that of stored values, in half floats of 8 bits and in floats of 16, with the primaries of
    sRGB. ``primaries`` are those of light, None: sRGB's.

    Raises:
        OptionError: 16 bits in another profile than sRGB, for a format of light.
    """
    if LIGHT in row.holds:
        return _light(colours, profile)
    if colours.dtype == np.uint8 or (colours.dtype == np.uint16 and DEEP in row.holds):
        return colours
    if colours.dtype == np.uint16:
        return in_bytes(colours)
    return shown(colours, 65535 if DEEP in row.holds else 255, primaries)


def in_bytes(colours: NDArray[Any], primaries: Chromaticities | None = None) -> Bytes:
    """Colours (H, W, 3) of any depth as nets see them, but for their profile."""
    if colours.dtype == np.uint8:
        return colours
    if colours.dtype == np.uint16:
        return np.asarray(colours >> 8, np.uint8)
    return shown(colours, primaries=primaries)


def _light(colours: NDArray[Any], profile: bytes | None) -> NDArray[Any]:
    if colours.dtype.kind == "f":
        return colours
    if colours.dtype == np.uint8:
        return light_of(in_srgb(colours, profile)).astype(np.float16)
    if profile is not None and not is_srgb(profile):
        raise OptionError(
            "a picture of 16 bits in another profile than sRGB is not converted to light; write "
            ".png or .tif, which keep its profile"
        )
    return light_of(colours)
