"""PNG files whose rows are all filtered alike: written in a quarter of the time, as small."""

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes
from edgematte.pictures.hdr import Coding
from edgematte.runtime.engines.workers import usable_cores

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR, CUTOUT = 0, 2, 6  # colour types (PNG, 11.2.2)
NONE, UP = 0, 2  # filters (PNG, 9.2)
STRIP = 1 << 20  # bytes of rows that are compressed at a time
HEADER = b"\x78\x01"  # of a zlib stream (RFC 1950, 2.2)


def png_bytes(
    array: NDArray[Any],
    level: int,
    profile: bytes | None = None,
    exif: bytes | None = None,
    coding: Coding | None = None,
) -> bytes:
    """A picture as the bytes of a PNG file.

    Choosing a filter row by row takes most of the time of other writers. Of photographs the
    difference to the row above does as well; what is left is noise, in which searching for longer
    repetitions than runs finds next to nothing. So strips of rows are compressed side by side, each
    by itself, which loses nothing to runs; the bytes do not depend on how many threads there are.

    Args:
        array: uint8 or uint16 (H, W), (H, W, 3) or (H, W, 4).
        level: 0 stores the rows as they are; from 1 on they are compressed.
        profile: ICC profile of the colours.
        coding: of HDR values.
        exif: with or without the header that JPEG files have before it.
    """
    height, width = array.shape[:2]
    kind = GREY if array.ndim == 2 else COLOUR if array.shape[2] == 3 else CUTOUT
    bits = 8 * array.itemsize
    parts = [
        SIGNATURE,
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)),
    ]
    if coding is not None:  # red, green and blue in their full range (PNG 3, 11.3.2.6)
        parts.append(_chunk(b"cICP", bytes((coding.primaries, coding.transfer, 0, 1))))
    if profile is not None:
        parts.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)))
    if exif is not None:
        parts.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    if array.itemsize == 2:
        array = array.astype(">u2")
    rows: Bytes = np.ascontiguousarray(array).view(np.uint8).reshape(height, -1)
    step = max(1, STRIP // (rows.shape[1] + 1))
    tops = range(0, height, step)

    def strip(top: int) -> tuple[Bytes, bytes]:
        filtered = _filtered(rows, top, min(height, top + step), UP if level else NONE)
        packed = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_RLE)
        end = zlib.Z_FINISH if top == tops[-1] else zlib.Z_SYNC_FLUSH
        return filtered, packed.compress(filtered.data) + packed.flush(end)

    check, before = 1, HEADER
    with ThreadPoolExecutor(min(len(tops), usable_cores())) as pool:
        for filtered, data in pool.map(strip, tops):
            check = zlib.adler32(filtered.data, check)
            parts.append(_chunk(b"IDAT", before + data))
            before = b""
    parts.append(_chunk(b"IDAT", struct.pack(">I", check)))
    parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def _filtered(rows: Bytes, top: int, bottom: int, kind: int) -> Bytes:
    """Some of the rows, each after the number of its filter."""
    out = np.empty((bottom - top, rows.shape[1] + 1), np.uint8)
    out[:, 0] = kind
    out[:, 1:] = rows[top:bottom]
    if kind == UP:
        out[1:, 1:] -= rows[top : bottom - 1]
        if top:
            out[0, 1:] -= rows[top - 1]
    return out


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(data, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)))
