"""Trimaps, alphas and masks, however their programs stored them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgematte import testcard
from edgematte.arrays import Bytes
from edgematte.errors import PictureError
from edgematte.pictures import Picture, open_picture, read_grey, read_trimap_for

CARD = testcard.testcard(40, 30)
TRIMAP = np.zeros((30, 40), np.uint8)
TRIMAP[5:20, 10:] = 128
TRIMAP[8:18, 15:30] = 255


def file_of(array: NDArray[Any] | Image.Image, kind: str = "PNG", **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(stream, kind, **options)
    return io.BytesIO(stream.getvalue())


def with_alpha(colours: Bytes, alpha: Bytes) -> Bytes:
    if colours.ndim == 2:
        colours = np.repeat(colours[..., None], 3, axis=2)
    return np.dstack([colours, alpha])


def palette(trimap: Bytes) -> Image.Image:
    image = Image.fromarray(np.searchsorted([0, 128, 255], trimap).astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 128, 128, 128, 255, 255, 255])
    return image


WHOLE, OTHER = np.full_like(TRIMAP, 255), np.where(TRIMAP == 255, 255, 0).astype(np.uint8)
FILES: dict[str, io.BytesIO] = {
    "8 bits": file_of(TRIMAP),
    "8-bit values in 16 bits": file_of(TRIMAP.astype(np.uint16)),
    "8-bit values in 32 bits": file_of(TRIMAP.astype(np.int32), "TIFF"),
    "16 bits": file_of(TRIMAP.astype(np.uint16) * 257),
    "16 bits, other ends": file_of(np.choose(TRIMAP // 127, [0, 32768, 65535]).astype(np.uint16)),
    "three equal channels": file_of(np.repeat(TRIMAP[..., None], 3, axis=2)),
    "a palette": file_of(palette(TRIMAP)),
    "alpha over black": file_of(with_alpha(np.zeros_like(TRIMAP), TRIMAP)),
    "alpha over white": file_of(with_alpha(WHOLE, TRIMAP)),
    "alpha over grey, two channels": file_of(
        Image.merge("LA", [Image.fromarray(p) for p in (WHOLE // 2, TRIMAP)])
    ),
    "alpha of the photograph": file_of(with_alpha(CARD, TRIMAP)),
    "alpha of a grey photograph": file_of(with_alpha(CARD[..., 1], TRIMAP)),
    "opaque": file_of(with_alpha(TRIMAP, WHOLE)),
    "evenly faint": file_of(with_alpha(TRIMAP, WHOLE // 3)),
    "strokes on a clear layer": file_of(with_alpha(TRIMAP, np.where(TRIMAP > 0, WHOLE, 0))),
}


@pytest.mark.parametrize("name", FILES)
def test_a_trimap_is_read_as_it_was_meant(name: str) -> None:
    np.testing.assert_array_equal(read_grey(FILES[name]), TRIMAP)


def test_a_soft_matte_in_the_alpha_channel_of_its_picture_is_read() -> None:
    alpha = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (30, 1))
    np.testing.assert_array_equal(read_grey(file_of(with_alpha(CARD, alpha))), alpha)


def test_trimaps_in_both_are_said(tmp_path: Path) -> None:
    path = tmp_path / "t.png"
    path.write_bytes(file_of(with_alpha(TRIMAP, OTHER)).getvalue())
    found, notes = read_trimap_for(path, Picture(CARD))
    np.testing.assert_array_equal(found, TRIMAP)
    assert len(notes) == 1 and "both as grey and as transparency; the grey ones" in notes[0]


# Pictures that are turned


def turned(path: Path, orientation: int | None, side: int = 30) -> Picture:
    """A photograph whose file says how it lies."""
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(CARD[:, :side]).save(path, exif=exif)
    return open_picture(path)


def trimap_file(path: Path, trimap: Bytes, orientation: int | None = None) -> Path:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(trimap).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_a_trimap_that_may_lie_otherwise_than_its_square_picture(
    orientation: int, tmp_path: Path
) -> None:
    picture = turned(tmp_path / "a.jpg", orientation)
    square = TRIMAP[:, :30]
    found, notes = read_trimap_for(trimap_file(tmp_path / "t.png", square), picture)
    np.testing.assert_array_equal(found, square)
    assert len(notes) == 1 and "t.png: its picture was turned upright" in notes[0]


@pytest.mark.parametrize("own", [1, 6])
def test_a_trimap_that_says_how_it_lies_is_believed(own: int, tmp_path: Path) -> None:
    picture = turned(tmp_path / "a.jpg", 6)
    square = TRIMAP[:, :30]
    found, notes = read_trimap_for(trimap_file(tmp_path / "t.png", square, own), picture)
    np.testing.assert_array_equal(found, np.rot90(square, -1) if own == 6 else square)
    assert notes == ()


@pytest.mark.parametrize("orientation", [None, 1])
def test_a_picture_that_was_not_turned_needs_no_word(
    orientation: int | None, tmp_path: Path
) -> None:
    picture = turned(tmp_path / "a.jpg", orientation)
    assert read_trimap_for(trimap_file(tmp_path / "t.png", TRIMAP[:, :30]), picture)[1] == ()


@pytest.mark.parametrize("ending", ["jpg", "tif"])  # Pillow itself turns TIFFs as it loads them
def test_the_sides_tell_what_a_trimap_was_drawn_on(ending: str, tmp_path: Path) -> None:
    picture = turned(tmp_path / f"a.{ending}", 6, side=40)
    assert picture.pixels.shape == (40, 30, 3) and picture.orientation == 6
    upright = trimap_file(tmp_path / "u.png", np.ascontiguousarray(np.rot90(TRIMAP, -1)))
    assert read_trimap_for(upright, picture)[1] == ()
    with pytest.raises(PictureError, match="trimap is 40x30, as its picture is stored.*30x40"):
        read_trimap_for(trimap_file(tmp_path / "s.png", TRIMAP), picture)


def test_a_photograph_that_was_turned_by_180_degrees(tmp_path: Path) -> None:
    picture = turned(tmp_path / "a.jpg", 3, side=40)
    assert len(read_trimap_for(trimap_file(tmp_path / "t.png", TRIMAP), picture)[1]) == 1
