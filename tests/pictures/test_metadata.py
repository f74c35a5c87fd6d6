"""Metadata that cannot be read costs a warning, never the pixels."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from edgematte import testcard
from edgematte.errors import PictureError, PictureWarning
from edgematte.pictures import open_picture, read_grey, read_picture

CARD = testcard.testcard(40, 30)
SHORT, DOUBLE, FLOAT, ASCII, LONG, SIGNED_RATIONAL = 3, 12, 11, 2, 4, 10
ORIENTATION, X_RESOLUTION, UNIT, EXIF_IFD = 0x0112, 0x011A, 0x0128, 0x8769

Entry = tuple[int, int, int, bytes]


def exif(*entries: Entry) -> bytes:
    """A block of EXIF, little-endian; values longer than four bytes follow the table."""
    table, tail, place = b"", b"", 8 + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        held = value.ljust(4, b"\0")
        if len(value) > 4:
            held, tail, place = struct.pack("<I", place), tail + value, place + len(value)
        table += struct.pack("<HHI", tag, kind, count) + held
    start = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return start + table + struct.pack("<I", 0) + tail


UPRIGHT_6: Entry = (ORIENTATION, SHORT, 1, struct.pack("<H", 6))
ODD: dict[str, tuple[bytes, int | None]] = {  # and the orientation that it still says
    "negative resolution": (
        exif(UPRIGHT_6, (X_RESOLUTION, SIGNED_RATIONAL, 1, struct.pack("<ii", -1, 3))),
        6,
    ),
    "resolution that is no number": (
        exif(UPRIGHT_6, (X_RESOLUTION, DOUBLE, 1, struct.pack("<d", float("nan")))),
        6,
    ),
    "over-long unit": (exif(UPRIGHT_6, (UNIT, SHORT, 3, struct.pack("<HHH", 2, 70, 3))), 6),
    "over-long orientation": (exif((ORIENTATION, SHORT, 2, struct.pack("<HH", 6, 1))), 6),
    "signed orientation": (exif((ORIENTATION, SIGNED_RATIONAL, 1, struct.pack("<ii", 6, 1))), 6),
    "its table in itself": (exif((EXIF_IFD, LONG, 1, struct.pack("<I", 8)), UPRIGHT_6), 6),
    "orientation that is no number": (
        exif((ORIENTATION, FLOAT, 1, struct.pack("<f", float("nan")))),
        None,
    ),
    "orientation by 0": (exif((ORIENTATION, SIGNED_RATIONAL, 1, struct.pack("<ii", 6, 0))), None),
    "orientation 9": (exif((ORIENTATION, SHORT, 1, struct.pack("<H", 9))), None),
    "orientation in words": (exif((ORIENTATION, ASCII, 4, b"top\0")), None),
    "cut off": (exif(UPRIGHT_6)[:20], None),
    "no EXIF at all": (b"something else", None),
}


def encoded(kind: str, block: bytes | None) -> bytes:
    stream = io.BytesIO()
    extra = {} if block is None else {"exif": b"Exif\0\0" + block}
    Image.fromarray(CARD).save(stream, kind, quality=95, **extra)
    return stream.getvalue()


def turns(pixels: NDArray[np.uint8]) -> dict[int, NDArray[np.uint8]]:
    flipped = pixels[:, ::-1]
    return {
        1: pixels,
        2: flipped,
        3: np.rot90(pixels, 2),
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: np.rot90(pixels, 2).transpose(1, 0, 2),
        8: np.rot90(pixels, 1),
    }


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "JPEG2000"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_exif_costs_no_pixel(kind: str, odd: str) -> None:
    block, says = ODD[odd]
    plain = read_picture(io.BytesIO(encoded(kind, None)))
    carries = kind != "JPEG2000"  # Pillow writes no EXIF there
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing but the notes
        found = open_picture(io.BytesIO(encoded(kind, block)))
    expected = says if carries else None
    np.testing.assert_array_equal(found.pixels, turns(plain)[expected or 1])
    assert found.orientation == expected
    assert len(found.notes) == (carries and says is None)
    if found.notes:
        assert "it is taken as upright" in found.notes[0] and "\n" not in found.notes[0]


def test_pixels_alone_come_with_a_warning() -> None:
    data = encoded("JPEG", ODD["orientation 9"][0])
    for read in (read_picture, read_grey):
        with pytest.warns(PictureWarning, match="orientation 9 is not 1 to 8"):
            read(io.BytesIO(data))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(ODD)), st.data())
def test_whatever_stands_in_exif_the_pixels_are_read(odd: str, data: st.DataObject) -> None:
    block = bytearray(ODD[odd][0])
    for _ in range(data.draw(st.integers(1, 6))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    found = open_picture(io.BytesIO(encoded("JPEG", bytes(block))))
    plain = read_picture(io.BytesIO(encoded("JPEG", None)))
    np.testing.assert_array_equal(found.pixels, turns(plain)[found.orientation or 1])


LARGE = 3_000_000  # bytes; Pillow alone stops at 1 MiB a chunk


def png(**options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(CARD).save(stream, "PNG", **options)
    return stream.getvalue()


def large_text(turned: bool) -> bytes:
    texts = PngInfo()
    texts.add_text("prompt", "x" * LARGE, zip=True)
    block = exif(UPRIGHT_6) if turned else None
    return png(pnginfo=texts, **({"exif": block} if block else {}))


def many_texts() -> bytes:
    """70 MB of texts in all, of which each is small enough: they come after the pixels."""
    text = b"zTXta\0\0" + zlib.compress(b"x" * 1_000_000)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    whole = png()
    return whole[:-12] + 70 * chunk + whole[-12:]


def wrong_sum() -> bytes:
    texts = PngInfo()
    texts.add_text("a", "hello")
    return png(pnginfo=texts).replace(b"hello", b"hallo")


@pytest.mark.parametrize(
    "make",
    [
        partial(large_text, False),
        many_texts,
        wrong_sum,
        partial(png, icc_profile=bytes(LARGE)),
    ],
    ids=["a large text", "many texts", "a text whose checksum is wrong", "a large profile"],
)
def test_pngs_that_every_viewer_shows_are_read(make: Callable[[], bytes]) -> None:
    found = open_picture(io.BytesIO(make()))
    np.testing.assert_array_equal(found.pixels, CARD)
    assert len(found.notes) == 1 and "holds metadata that cannot be read" in found.notes[0]


def test_a_png_that_is_turned_stays_so_without_its_texts() -> None:
    found = open_picture(io.BytesIO(large_text(True)))
    np.testing.assert_array_equal(found.pixels, np.rot90(CARD, -1))


def test_a_jpeg_whose_segments_stop_its_reading_is_read_without_them() -> None:
    """An APP13 segment (Photoshop) that ends amid a number."""
    plain = encoded("JPEG", None)
    body = b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\x10" + bytes(3)
    odd = plain[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    np.testing.assert_array_equal(
        open_picture(io.BytesIO(odd)).pixels, read_picture(io.BytesIO(plain))
    )


def test_pixels_that_are_missing_are_still_an_error() -> None:
    for data in (large_text(False), encoded("JPEG", ODD["cut off"][0])):
        with pytest.raises(PictureError, match="damaged or truncated"):
            open_picture(io.BytesIO(data[: len(data) - 400]))
