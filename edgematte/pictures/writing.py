"""Writing pictures, whole or not at all, in formats that can hold them exactly."""

import io
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from edgematte.atomic import atomic_file
from edgematte.errors import OptionError
from edgematte.pictures import exr, heif
from edgematte.pictures.cutouts import multiplied
from edgematte.pictures.deep import write_tiff
from edgematte.pictures.formats import (
    DEEP,
    EXR,
    mode_of,
    refuse_exif,
    refuse_premultiplied,
    refuse_unfit,
    row_named,
    row_of,
)
from edgematte.pictures.hdr import Coding
from edgematte.pictures.png import png_bytes
from edgematte.pictures.profiles import convert_colours
from edgematte.ranges import check_options

PNG_LEVEL = 1
"""*Measured*: in photographs no larger than level 3, in a quarter of its time; docs/pictures.md."""
ROWS_ALIKE = 1  # up to this level the rows of a PNG are filtered alike


def encode(
    array: NDArray[Any],
    kind: str | Path,
    profile: bytes | None = None,
    *,
    png_level: int | None = None,
    exif: bytes | None = None,
    premultiplied: bool | None = None,
    header: dict[str, Any] | None = None,
    coding: Coding | None = None,
) -> bytes:
    """A picture array as the bytes of a file.

    Args:
        array: uint8, uint16, float16 or float32 (H, W), (H, W, 3) or (H, W, 4), a cut-out not
            premultiplied. Floats are light, but for those of an alpha (H, W).
        kind: Pillow's name of the format, such as PNG; or a path, whose ending says it.
        profile: ICC profile of the colours; None: sRGB. A format that cannot carry one gets the
            colours converted to sRGB.
        png_level: how hard a PNG is compressed, from 0, not at all, to 9; by default 1, fast.
        exif: of the picture, see :class:`edgematte.pictures.Picture`, to be kept; None: none.
        premultiplied: multiply a cut-out's colours by its alpha, and say so in the file; None: as
            the format defines it, which EXR alone does.
        coding: what the values of an HDR picture mean, which PNG says.
        header: attributes of the OpenEXR file that the picture was read from, for another one.

    Raises:
        OptionError: the format cannot hold this picture, EXIF or colours of this kind, or has no
            levels of PNG.
        PictureError: a package that writes it is missing.
    """
    row = row_of(kind) if isinstance(kind, Path) else row_named(kind)
    check_options(png_level=png_level)
    if exif is not None:
        refuse_exif(row)
    if premultiplied:
        refuse_premultiplied(row)
    if png_level is not None and row.name != "PNG":
        raise OptionError(f"png_level is of PNG files, and this one is {row.name}: leave it out")
    mode = mode_of(array)
    refuse_unfit(row, mode, (array.shape[1], array.shape[0]))
    if mode.startswith("cutout") and (premultiplied or (premultiplied is None and row.name == EXR)):
        array = multiplied(array)
    if row.name == EXR:
        return exr.write(array, header, premultiplied=premultiplied is not False)
    if coding is not None and row.name != "PNG":
        raise OptionError(f"{row.name} cannot say that values are {coding.words}: write .png")
    if header is not None:
        raise OptionError(f"{row.name} holds no header of OpenEXR: leave it out")
    if row.name == "TIFF" and (mode in DEEP or (mode == "cutout" and premultiplied)):
        return write_tiff(array, profile, premultiplied=bool(premultiplied), exif=exif)
    options = dict(row.options.get(mode, {}))
    if profile is not None and array.ndim == 3:
        if row.profile:
            options["icc_profile"] = profile
        else:
            array = array.copy()
            array[..., :3] = convert_colours(array[..., :3], profile, None)
    if row.name == "PNG":
        level = PNG_LEVEL if png_level is None else png_level
        if (level <= ROWS_ALIKE or mode in DEEP or coding is not None) and array.size:
            return png_bytes(array, level, profile if array.ndim == 3 else None, exif, coding)
        options["compress_level"] = level
    if exif is not None:
        options["exif"] = exif
    stream = io.BytesIO()
    try:
        if row.name == "HEIF" and mode in DEEP:
            return heif.write_deep(array, options)
        Image.fromarray(array).save(stream, row.name, **options)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise OptionError(f"{row.name} cannot hold this picture ({error}); write .png") from None
    return stream.getvalue()


def write_picture(
    array: NDArray[Any],
    path: Path,
    profile: bytes | None = None,
    *,
    png_level: int | None = None,
    exif: bytes | None = None,
    premultiplied: bool | None = None,
    header: dict[str, Any] | None = None,
    coding: Coding | None = None,
) -> None:
    """Write a picture whole or not at all; the ending of the name is its format.

    Arguments and errors as :func:`encode`.
    """
    data = encode(
        array,
        path,
        profile,
        png_level=png_level,
        exif=exif,
        premultiplied=premultiplied,
        header=header,
        coding=coding,
    )
    with atomic_file(path) as scratch:
        scratch.write_bytes(data)
