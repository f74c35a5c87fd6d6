"""Colours of more than 8 bits of PNG, TIFF and AVIF files, of which Pillow reads 8 bits."""

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin

from edgematte.errors import OptionError
from edgematte.extras import importing
from edgematte.pictures.bits import stretched

PIP = 'pip install "edgematte[deep]"'
DEPTH, KIND = 24, 25  # bytes of a PNG file that say its bits a sample and its colour type
COLOURS = (2, 4, 6)  # types of RGB, grey with alpha, RGBA; Pillow itself reads 16 bits of grey
BITS, PHOTOMETRIC, FORMAT, EXTRA = 258, 262, 339, 338  # tags of TIFF
AVIF_HEAD = 1 << 16  # bytes in which an AVIF file describes its pictures
RGB, UNSIGNED = 2, 1  # values of PHOTOMETRIC and FORMAT
PREMULTIPLIED, STRAIGHT = 1, 2  # values of EXTRA
TIFF = (b"*\0", b"\0*")  # after the order of bytes, in files below 4 GB
HEAD = 8  # bytes before all tables
PLACES = TiffImagePlugin.STRIPOFFSETS
TABLES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)  # tags whose values are tables


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether a file that Pillow opened has 16 bits a channel of which Pillow gives 8."""
    if image.format == "PNG":
        return len(data) > KIND and data[DEPTH] == 16 and data[KIND] in COLOURS
    if image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        formats = set(np.atleast_1d(tags.get(FORMAT, UNSIGNED)).tolist())
        deep = set(np.atleast_1d(tags.get(BITS, 1)).tolist()) == {16}
        return deep and tags.get(PHOTOMETRIC) == RGB and formats == {UNSIGNED}
    return image.format == "AVIF" and _bits_of_avif(data) > 8


def read_deep(data: bytes, kind: str) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Colours (H, W, 3), not premultiplied, and alpha (H, W) or None, as they are stored.

    Args:
        data: a file for which :func:`is_deep` is true.
        kind: PNG, TIFF or AVIF.

    Raises:
        OptionError: the packages that read it are missing.
        Exception: of many kinds, those packages' own: it is damaged, or of a kind they do not know.
    """
    if kind == "PNG":
        with importing("16 bits a channel are read by imagecodecs", PIP, OptionError):
            from imagecodecs import png_decode
        return _split(np.asarray(png_decode(data)), STRAIGHT)
    if kind == "AVIF":
        with importing("more than 8 bits a channel are read by imagecodecs", PIP, OptionError):
            from imagecodecs import avif_decode
        return _split(stretched(np.asarray(avif_decode(data)), _bits_of_avif(data)), STRAIGHT)
    with importing("16 bits a channel are read by tifffile", PIP, OptionError):
        import imagecodecs  # noqa: F401  # which it decompresses with
        import tifffile
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        array = np.asarray(page.asarray())
        if page.axes.startswith("S"):  # planes
            array = np.moveaxis(array, 0, -1)
        extra = [int(value) for value in page.extrasamples]
    return _split(array, extra[0] if extra else 0)


def _bits_of_avif(data: bytes) -> int:
    """Bits a channel, by the first box of that (ISO/IEC 23008-12, 6.5.6); 8 where there is none."""
    place = data.find(b"pixi", 0, AVIF_HEAD)
    return data[place + 9] if 0 < place < len(data) - 9 else 8


def write_tiff(
    array: NDArray[Any],
    profile: bytes | None,
    *,
    premultiplied: bool = False,
    exif: bytes | None = None,
) -> bytes:
    """The bytes of a TIFF file of colours (H, W, 3) or a cut-out (H, W, 4), uint16.

    Args:
        array: colours; a cut-out's are premultiplied or not as ``premultiplied`` says.
        profile: ICC profile of the colours.
        premultiplied: recorded in the tag ExtraSamples.
        exif: tables of EXIF, to be kept in it; None: none.

    Raises:
        OptionError: the packages that write it are missing.
    """
    with importing("16 bits a channel are written to TIFF by tifffile", PIP, OptionError):
        import imagecodecs  # noqa: F401  # which it compresses with
        import tifffile
    stream = io.BytesIO()
    extra = ["assocalpha" if premultiplied else "unassalpha"] if array.shape[2] == 4 else None
    tifffile.imwrite(
        stream,
        array,
        photometric="rgb",
        extrasamples=extra,
        compression="adobe_deflate",
        predictor=True,
        iccprofile=profile,
        metadata=None,
        software=False,
    )
    data = stream.getvalue()
    return data if exif is None else _with_exif(data, exif)


def _with_exif(data: bytes, exif: bytes) -> bytes:
    """A TIFF file with the tags of EXIF beside its own, in a table before all that it holds.

    tifffile writes no tables inside tables, which EXIF is; Pillow does.
    """
    if data[2:4] not in TIFF:
        raise OptionError("EXIF is kept in TIFF files of less than 4 GB; write .png")
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[:HEAD])
    stream = io.BytesIO(data)
    stream.seek(tags.next)
    tags.load(stream)
    own = {tag: tags[tag] for tag in tags}  # decodes them: what was not is not written
    tags[PLACES] = [place - HEAD for place in own[PLACES]]  # Pillow adds where they are to begin
    found = Image.Exif()
    found.load(exif)
    for tag in found:
        if tag not in own:
            tags[tag] = found.get_ifd(tag) if tag in TABLES else found[tag]
    first = struct.pack(">I" if data.startswith(b"MM") else "<I", HEAD)
    return data[:4] + first + tags.tobytes(HEAD) + data[HEAD:]


def _split(array: NDArray[Any], extra: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Colours and alpha of an array (H, W, channels); ``extra`` says what the last one is."""
    if array.ndim != 3 or array.dtype != np.uint16:
        raise ValueError(f"it was decoded as {array.dtype} {list(array.shape)}")
    count = array.shape[2]
    if count == 2:  # grey and alpha
        return np.repeat(array[..., :1], 3, axis=2), np.ascontiguousarray(array[..., 1])
    colours = np.ascontiguousarray(array[..., :3])
    if count == 3 or extra not in (PREMULTIPLIED, STRAIGHT):
        return colours, None
    alpha = np.ascontiguousarray(array[..., 3])
    part = (alpha > 0) & (alpha < 65535)
    if extra == PREMULTIPLIED and part.any():
        whole = colours[part].astype(np.float32) * (65535 / alpha[part, None].astype(np.float32))
        colours[part] = np.minimum(np.rint(whole), 65535).astype(np.uint16)
    return colours, alpha
