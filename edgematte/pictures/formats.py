"""What each file format can hold, in one table that is asked before any work.

Modes: ``grey`` (uint8, (H, W)), ``grey16`` (uint16, (H, W)), ``trimap`` (as grey, but no value may
change), ``colour`` (uint8, (H, W, 3)), ``cutout`` (uint8, (H, W, 4)); ``colour16`` and ``cutout16``
of uint16; ``grey32``, ``colour32`` and ``cutout32`` of float16 or float32.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.errors import OptionError
from edgematte.pictures import exr, heif

GREYS = ("grey", "trimap")
EXR = "EXR"  # not Pillow's: see exr.py
ALL = (*GREYS, "grey16", "colour", "cutout")
DEEP = ("colour16", "cutout16")
REASONS = {
    "grey": "it has one grey channel",
    "grey16": "it has 16 bits a pixel",
    "trimap": "the values of a trimap must not change",
    "colour": "it has colours",
    "cutout": "it has an alpha channel",
    **dict.fromkeys(("colour16", "cutout16"), "it has 16 bits a channel"),
    **dict.fromkeys(("grey32", "colour32", "cutout32"), "its values are floats"),
}
"""Why a format cannot hold a picture of a mode."""


@dataclass(frozen=True)
class Format:
    """A row of the table.

    `name`: Pillow's name. `holds`: modes that are read back right, alpha always exactly. `side_px`:
    the longest side. `profile`: whether it can hold an ICC profile, and EXIF: the same can.
    `options`: those of Pillow's writer, by mode. `bits`: the most a channel that its modes of 16
    bits keep.
    """

    name: str
    endings: tuple[str, ...]
    holds: tuple[str, ...]
    side_px: int | None = None
    profile: bool = False
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    bits: int = 16


_JPEG = dict.fromkeys(("grey", "colour"), {"quality": 95})
# The fastest lossless WebP is as fast as a PNG; the slowest is a fifth smaller in twenty times the
# time. `exact` keeps colours where alpha is 0.
_LOSSLESS = {"lossless": True, "quality": 20, "method": 0, "exact": True}
_WEBP = dict.fromkeys((*GREYS, "colour", "cutout"), _LOSSLESS)
_AVIF = dict.fromkeys((*GREYS, "cutout"), {"quality": 100, "subsampling": "4:4:4"}) | {
    "colour": {"quality": 90, "subsampling": "4:4:4"}
}
_HEIF = {
    **dict.fromkeys(("colour", "colour16"), {"quality": 90, "chroma": 444}),
    # Lossless.
    **dict.fromkeys(
        ("cutout", "cutout16"), {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    ),
}
_JPEG2000 = (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c")

FORMATS = (
    Format("PNG", (".png", ".apng"), (*ALL, *DEEP), profile=True),
    Format("TIFF", (".tif", ".tiff"), (*ALL, *DEEP, "grey32"), profile=True),
    Format("WEBP", (".webp",), (*GREYS, "colour", "cutout"), 16_383, True, _WEBP),
    # Pillow writes AVIF with sides above 32768 pixels, but cannot read it.
    Format("AVIF", (".avif", ".avifs"), (*GREYS, "colour", "cutout"), 32_768, True, _AVIF),
    Format("HEIF", heif.ENDINGS, ("colour", "cutout", *DEEP), 16_383, True, _HEIF, bits=12),
    Format(EXR, (".exr",), ("grey32", "colour32", "cutout32")),
    Format("JPEG2000", _JPEG2000, ALL),
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), ("grey", "colour"), 65_500, True, _JPEG),
    Format("MPO", (".mpo",), ("grey", "colour"), 65_500, True, _JPEG),
    Format("TGA", (".tga", ".icb", ".vda", ".vst"), (*GREYS, "colour", "cutout"), 65_535),
    Format("DDS", (".dds",), (*GREYS, "colour", "cutout")),
    Format("QOI", (".qoi",), ("colour", "cutout")),
    Format("IM", (".im",), ALL),
    Format("SGI", (".sgi",), (*GREYS, "colour", "cutout"), 65_535),
    Format("SGI", (".bw",), GREYS, 65_535),
    Format("SGI", (".rgb",), ("colour",), 65_535),
    Format("SGI", (".rgba",), ("cutout",), 65_535),
    Format("BMP", (".bmp",), (*GREYS, "colour")),
    Format("DIB", (".dib",), (*GREYS, "colour")),
    Format("PCX", (".pcx",), (*GREYS, "colour"), 65_534),
    Format("PPM", (".pnm",), (*GREYS, "grey16", "colour")),
    Format("PPM", (".pgm",), (*GREYS, "grey16")),
    Format("PPM", (".ppm",), ("colour",)),
    Format("GIF", (".gif",), (*GREYS, "colour"), 65_535),  # colours are reduced to 256
)


SUFFIXES = {
    np.dtype(np.uint8): "",
    np.dtype(np.uint16): "16",
    np.dtype(np.float16): "32",
    np.dtype(np.float32): "32",
}
"""Of modes, by dtype."""


def format_of(path: Path) -> str:
    """Pillow's format name for a file's ending.

    Raises:
        OptionError: an ending that is not known.
    """
    return row_of(path).name


def row_of(path: Path) -> Format:
    """The table's row for a file's ending.

    Raises:
        OptionError: an ending that is not known, or that this Pillow cannot write.
    """
    ending = path.suffix.lower()
    if ending in heif.ENDINGS:
        heif.register(path.name)
    if ending == ".exr":
        exr.require(path.name)
    row = _writable(lambda row: ending in row.endings)
    if row is not None:
        return row
    raise OptionError(f"{path.name}: unknown kind of picture {path.suffix!r}; use .png")


def stdout_row() -> Format:
    """The row of what is written to standard output: PNG."""
    return row_named("PNG")


def row_named(kind: str) -> Format:
    """The table's first row for Pillow's name of a format.

    Raises:
        OptionError: a format that pictures are not written in.
    """
    if kind.upper() == "HEIF":
        heif.register("the picture")
    row = _writable(lambda row: row.name == kind.upper())
    if row is not None:
        return row
    raise OptionError(f"pictures are not written as {kind!r}; use PNG")


def _writable(wanted: Callable[[Format], bool]) -> Format | None:
    """The first row that is wanted and can be written here."""
    for ready in (Image.preinit, Image.init):  # the common formats; all of them, which takes longer
        ready()
        for row in FORMATS:
            if wanted(row) and written(row):
                return row
    return None


def written(row: Format) -> bool:
    """Whether a format can be written here."""
    return row.name in Image.SAVE or (row.name == EXR and find_spec("OpenEXR") is not None)


def mode_of(array: NDArray[Any]) -> str:
    """The mode of a picture's array.

    Raises:
        OptionError: an array that is no picture.
    """
    if array.ndim == 2 and array.dtype in (np.uint8, np.uint16):
        return "grey" if array.dtype == np.uint8 else "grey16"
    if array.ndim == 2 and array.dtype in (np.float16, np.float32):
        return "grey32"
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype in SUFFIXES:
        return ("colour" if array.shape[2] == 3 else "cutout") + SUFFIXES[array.dtype]
    raise OptionError(
        "a picture to write should be uint8, uint16, float16 or float32 (H, W), (H, W, 3) or "
        f"(H, W, 4), not {array.dtype} {list(array.shape)}"
    )


def refuse_exif(row: Format) -> None:
    """Refuse EXIF for a format that cannot hold it.

    Raises:
        OptionError: the message names formats that can.
    """
    if not row.profile:
        fit = ", ".join(r.endings[0] for r in FORMATS if r.profile and r.name in Image.SAVE)
        raise OptionError(f"{row.name} holds no EXIF; write {fit}")


def refuse_premultiplied(row: Format) -> None:
    """Refuse colours that were multiplied by alpha for a format that cannot say so.

    Raises:
        OptionError: the message names formats that can.
    """
    if row.name not in ("TIFF", EXR):
        raise OptionError(
            f"{row.name} has no way to say that colours are premultiplied; write .tif, .exr"
        )


def refuse_unfit(row: Format, mode: str, size: tuple[int, int] = (1, 1)) -> None:
    """Refuse a picture of a mode and size (W, H) that a format cannot hold.

    Raises:
        OptionError: the format cannot hold it; the message names formats that can.
    """
    reason = REASONS[mode]
    if mode in row.holds:
        if row.side_px is None or max(size) <= row.side_px:
            return
        reason = f"its sides may have {row.side_px} pixels, not {max(size)}"
    Image.init()
    fit = [
        other.endings[0]
        for other in FORMATS
        if mode in other.holds
        and (other.side_px is None or max(size) <= other.side_px)
        and written(other)
    ]
    raise OptionError(f"{row.name} cannot hold this picture ({reason}); write {', '.join(fit)}")
