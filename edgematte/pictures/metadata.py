"""Metadata of picture files: their orientation, and removing what cannot be read."""

import struct
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray
from PIL import ExifTags, Image

ORIENTATION = 0x0112  # the tag, in EXIF and TIFF
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> how to turn stored pixels upright; 1 is upright already."""

FLIPPED = {
    1: (False, False),
    2: (False, True),
    3: (True, True),
    4: (True, False),
    5: (False, False),
    6: (False, True),
    7: (True, True),
    8: (True, False),
}
"""EXIF orientation -> whether rows, columns are reversed, after a quarter turn exchanged them."""
QUARTER_TURNS = (5, 6, 7, 8)  # orientations that swap width and height
KEPT = (270, 271, 272, 305, 306, 315, 33432)
"""Tags of EXIF's first table that are not about how pixels are stored: description, maker, model,
software, time, artist, copyright."""
SIDES = (0xA002, 0xA003)  # width and height
DROPPED = (0x927C, 0xA005)  # makers' notes; a table of how files belong together

PNG_SIGNATURE, JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt")
JFIF, ADOBE, EXIF, PROFILE = 0xE0, 0xEE, 0xE1, 0xE2  # markers of JPEG's application segments
SCAN = 0xDA
COMMENT = 0xFE


def orientation_of(image: Image.Image, name: str) -> tuple[int | None, tuple[str, ...]]:
    """The orientation, 1 to 8 (None if the file has none), and a note if it cannot be read.

    Other EXIF tags are not used, so that it does not matter whether they can be read.
    """
    try:
        value = image.getexif().get(ORIENTATION)
        if isinstance(value, tuple):  # a list instead of one number
            value = value[0]
        number = 0 if value is None else int(value)
        if value is None:
            _refuse_damaged(image.info.get("exif"))
    except Exception as error:  # the decoder of EXIF may raise any error
        return None, (f"{name}: its EXIF cannot be read ({error}); it is taken as upright",)
    if number not in range(9):
        return None, (f"{name}: its orientation {number} is not 1 to 8; it is taken as upright",)
    return number or None, ()


def _refuse_damaged(exif: bytes | None) -> None:
    """Raise an error if EXIF, which is a TIFF file, breaks off in its first table or before.

    Pillow treats such EXIF as if it had no tags.
    """
    if not exif:
        return
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        raise ValueError("it does not begin as EXIF does")
    (place,) = struct.unpack_from(f"{order}I", block, 4)
    count = block[place : place + 2]
    if len(count) < 2 or place + 2 + 12 * struct.unpack(f"{order}H", count)[0] > len(block):
        raise ValueError("it breaks off")


def exif_of(image: Image.Image, orientation: int | None) -> bytes | None:
    """The EXIF of a picture that was turned upright, or None.

    Without orientation, which is applied, and without thumbnails and makers' notes, which may show
    what is removed from the picture.
    """
    try:
        found, kept = image.getexif(), Image.Exif()
        for tag in KEPT:
            if tag in found:
                kept[tag] = found[tag]
        for table in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            values = {k: v for k, v in found.get_ifd(table).items() if k not in DROPPED}
            sides = [values.get(tag) for tag in SIDES]
            if orientation in QUARTER_TURNS and None not in sides:
                values.update(zip(SIDES, reversed(sides), strict=True))
            if values:
                kept[table] = values
        return kept.tobytes() if len(kept) else None
    except Exception:  # the decoder of EXIF may raise any error; `orientation_of` tells of it
        return None


def turn_upright(image: Image.Image, orientation: int | None) -> Image.Image:
    """Turn stored pixels upright."""
    turn = TURNS.get(orientation or 1)
    return image if turn is None else image.transpose(turn)


def turn_array(array: NDArray[Any], orientation: int | None) -> NDArray[Any]:
    """Turn stored pixels (H, W, ...) upright."""
    if orientation in QUARTER_TURNS:
        array = array.swapaxes(0, 1)
    down, across = FLIPPED[orientation or 1]
    return array[:: -1 if down else 1, :: -1 if across else 1]


def thinner(data: bytes) -> Iterator[bytes]:
    """Copies of a PNG or JPEG file with less and less metadata; the least useful is removed first.

    There are none for other formats, and none if the file has no such metadata.
    """
    length = len(data)
    for level in range(3):
        if data.startswith(PNG_SIGNATURE):
            thin = _thin_png(data, level)
        elif data.startswith(JPEG_SIGNATURE):
            thin = _thin_jpeg(data, level)
        else:
            return
        if len(thin) < length:
            length = len(thin)
            yield thin


def _thin_png(data: bytes, level: int) -> bytes:
    """Level 0: without texts; 1: pixels and profile; 2: pixels."""
    kept, place = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while place + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        kind, end = data[place + 4 : place + 8], place + 12 + size
        useful = (kind not in PNG_TEXT, kind in (*PNG_PIXELS, b"iCCP"), kind in PNG_PIXELS)[level]
        if useful or kind[:1].isupper():  # capitals mark chunks that readers must not ignore
            kept.append(data[place:end])
        place = end
    return b"".join([*kept, data[place:]])


def _thin_jpeg(data: bytes, level: int) -> bytes:
    """Level 0: without comments and vendors' segments; 1: without EXIF; 2: without profile."""
    allowed = (JFIF, ADOBE, *((PROFILE, EXIF), (PROFILE,), ())[level])
    kept, place = [data[:2]], 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, size = struct.unpack_from(">xBH", data, place)
        if marker == 0xFF:  # a byte of padding
            place += 1
            continue
        if marker == SCAN:
            break
        is_metadata = JFIF <= marker <= JFIF + 15 or marker == COMMENT
        if not is_metadata or marker in allowed:
            kept.append(data[place : place + 2 + size])
        place += 2 + size
    return b"".join([*kept, data[place:]])
