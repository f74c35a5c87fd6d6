"""PNG files whose rows are all filtered alike: written in a quarter of the time, as small."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR, CUTOUT = 0, 2, 6  # colour types (PNG, 11.2.2)
NONE, UP = 0, 2  # filters (PNG, 9.2)
STRIP = 1 << 22  # bytes of rows that are compressed at a time


def png_bytes(
    array: NDArray[Any], level: int, profile: bytes | None = None, exif: bytes | None = None
) -> bytes:
    """A picture as the bytes of a PNG file.

    Choosing a filter row by row takes most of the time of other writers. Of photographs the
    difference to the row above does as well; what is left is noise, in which searching for longer
    repetitions than runs finds next to nothing.

    Args:
        array: uint8 or uint16 (H, W), (H, W, 3) or (H, W, 4).
        level: 0 stores the rows as they are; from 1 on they are compressed.
        profile: ICC profile of the colours.
        exif: with or without the header that JPEG files have before it.
    """
    height, width = array.shape[:2]
    kind = GREY if array.ndim == 2 else COLOUR if array.shape[2] == 3 else CUTOUT
    bits = 8 * array.itemsize
    parts = [
        SIGNATURE,
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)),
    ]
    if profile is not None:
        parts.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)))
    if exif is not None:
        parts.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    stream = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    for strip in _filtered(array, UP if level else NONE):
        parts.append(_chunk(b"IDAT", stream.compress(strip.data)))
    parts.append(_chunk(b"IDAT", stream.flush()))
    parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def _filtered(array: NDArray[Any], kind: int) -> Iterator[Bytes]:
    """The rows, each after the number of its filter, in strips."""
    if array.itemsize == 2:
        array = array.astype(">u2")
    rows: Bytes = np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1)
    step = max(1, STRIP // (rows.shape[1] + 1))
    for top in range(0, len(rows), step):
        strip = rows[top : top + step]
        out = np.empty((len(strip), rows.shape[1] + 1), np.uint8)
        out[:, 0] = kind
        out[:, 1:] = strip
        if kind == UP:
            out[1:, 1:] -= strip[:-1]
            if top:
                out[0, 1:] -= rows[top - 1]
        yield out


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(data, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)))
