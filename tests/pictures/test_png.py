"""PNG files of the own writer: Pillow reads what was written; levels; sizes."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from edgematte import testcard
from edgematte.errors import OptionError
from edgematte.pictures import encode, png, write_picture


def array_of(mode: str, height: int, width: int) -> NDArray[Any]:
    """Smooth with noise, as photographs are."""
    random = np.random.default_rng(height * width)
    channels = {"grey": (), "grey16": (), "colour": (3,), "cutout": (4,)}[mode]
    kind, top = (np.uint16, 65535) if mode == "grey16" else (np.uint8, 255)
    smooth = np.add.outer(np.linspace(0, 0.7, height), np.linspace(0, 0.2, width))
    planes = smooth.reshape(height, width, *[1] * len(channels)) + random.normal(
        0, 0.01, (height, width, *channels)
    )
    return np.asarray(np.clip(planes * top, 0, top), kind)


def read(data: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return np.asarray(image)


@pytest.mark.parametrize("level", [0, 1, 2, 9])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (64, 1), (37, 53)])
@pytest.mark.parametrize("mode", ["grey", "grey16", "colour", "cutout"])
def test_what_is_read_is_what_was_written(mode: str, size: tuple[int, int], level: int) -> None:
    array = array_of(mode, *size)
    np.testing.assert_array_equal(read(encode(array, "PNG", png_level=level)), array)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_strips_join(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    array = array_of("colour", 23, 10)
    monkeypatch.setattr(png, "STRIP", rows * 31)
    np.testing.assert_array_equal(read(encode(array, "PNG")), array)


@pytest.mark.parametrize("mode", ["grey16", "colour"])
def test_rows_of_a_view_are_written_as_they_are_seen(mode: str) -> None:
    view = array_of(mode, 40, 30)[::-2, ::3]
    np.testing.assert_array_equal(read(encode(view, "PNG")), view)


def test_a_profile_stays() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for level in (None, 0, 6):
        data = encode(array_of("cutout", 5, 6), "PNG", profile, png_level=level)
        assert Image.open(io.BytesIO(data)).info["icc_profile"] == profile


def test_a_higher_level_is_smaller_and_the_default_is_as_small_as_a_search() -> None:
    array = array_of("colour", 300, 400)
    sizes = [len(encode(array, "PNG", png_level=n)) for n in (0, 1, 9)]
    assert sizes[0] > array.size > sizes[1] >= sizes[2]
    assert len(encode(array, "PNG")) == sizes[1]
    # Pillow at the level where most programs write, and noise that no level finds repetitions in
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG", compress_level=6)
    assert sizes[1] <= 1.1 * len(stream.getvalue())


def test_the_file_is_whole_by_its_own_checks() -> None:
    data = encode(testcard.testcard(50, 40), "PNG")
    place = len(png.SIGNATURE)
    kinds = []
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        body = data[place + 4 : place + 8 + length]
        assert zlib.crc32(body) == int.from_bytes(data[place + 8 + length :][:4], "big")
        kinds.append(body[:4])
        place += 12 + length
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND" and set(kinds[1:-1]) == {b"IDAT"}


def test_a_level_is_refused_where_there_is_none(tmp_path: Path) -> None:
    array = array_of("colour", 4, 5)
    with pytest.raises(OptionError, match="png_level is of PNG files, and this one is JPEG"):
        write_picture(array, tmp_path / "a.jpg", png_level=3)
    with pytest.raises(OptionError, match="png_level 10: "):
        write_picture(array, tmp_path / "a.png", png_level=10)
    assert not list(tmp_path.iterdir())
