"""Colour profiles: kept where a file can carry one, converted where it cannot."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from edgematte import testcard
from edgematte.pictures import (
    cutout,
    encode,
    open_picture,
    read_background,
    write_picture,
)
from edgematte.pictures.formats import FORMATS, Format
from edgematte.pictures.profiles import convert_colours

Image.init()
CARD = testcard.testcard(40, 30)


def swapped_profile() -> bytes:
    """sRGB with its red and green primaries exchanged: any mistake about it is seen at once."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


SWAPPED = swapped_profile()


def saved(path: Path, array: NDArray[Any] = CARD, profile: bytes = SWAPPED, **extra: Any) -> Path:
    Image.fromarray(array).save(path, icc_profile=profile, **extra)
    return path


def profile_in(data: bytes) -> bytes | None:
    with Image.open(io.BytesIO(data)) as image:
        found: bytes | None = image.info.get("icc_profile")
        return found


def test_the_profile_of_this_test_exchanges_red_and_green() -> None:
    found = convert_colours(np.array([[[200, 30, 90]]], np.uint8), SWAPPED, None)
    assert np.abs(found[0, 0].astype(int) - (30, 200, 90)).max() <= 1  # LittleCMS rounds


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp", "avif"])
def test_a_profile_is_read_beside_the_pixels(ending: str, tmp_path: Path) -> None:
    found = open_picture(saved(tmp_path / f"a.{ending}"))
    assert found.profile == SWAPPED and found.notes == ()


COLOURED = [r for r in FORMATS if {"colour", "cutout"} & {*r.holds} and r.name in Image.SAVE]


@pytest.mark.parametrize("row", COLOURED, ids=lambda row: row.endings[0])
def test_every_format_keeps_the_profile_or_gets_the_colours_in_srgb(row: Format) -> None:
    mode = "colour" if "colour" in row.holds else "cutout"
    flat = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    array = flat if mode == "colour" else cutout(flat, np.ones((16, 16), np.float32))
    data = encode(array, row.name, SWAPPED)
    with Image.open(io.BytesIO(data)) as image:
        found = np.asarray(image.convert("RGB")).astype(int)
    assert profile_in(data) == (SWAPPED if row.profile else None)
    wanted = (200, 30, 90) if row.profile else (30, 200, 90)
    # A flat patch: JPEG, WebP and AVIF round its chroma, LittleCMS its colour, by 2 levels or less.
    assert np.abs(found - wanted).max() <= 3


def test_alpha_and_trimap_files_have_no_profile() -> None:
    assert profile_in(encode(CARD[..., 0], "PNG", SWAPPED)) is None


def test_without_a_profile_none_is_written(tmp_path: Path) -> None:
    write_picture(CARD, tmp_path / "a.png")
    assert profile_in((tmp_path / "a.png").read_bytes()) is None


def test_a_background_is_brought_into_the_pictures_profile(tmp_path: Path) -> None:
    red = read_background("#c81e5a", (5, 4), SWAPPED)
    assert np.abs(red.astype(int) - (30, 200, 90)).max() <= 1
    flat = np.full((4, 5, 3), (200, 30, 90), np.uint8)
    plain, same = tmp_path / "plain.png", saved(tmp_path / "same.png", flat)
    Image.fromarray(flat).save(plain)
    np.testing.assert_array_equal(read_background(str(same), (5, 4), SWAPPED), flat)
    for file, profile in ((plain, SWAPPED), (same, None)):
        found = read_background(str(file), (5, 4), profile)
        assert np.abs(found.astype(int) - (30, 200, 90)).max() <= 1


@pytest.mark.parametrize(
    ("profile", "part"),
    [
        (b"no profile", "its colour profile cannot be read"),
        (SWAPPED[:300], "its colour profile cannot be read"),
        (SWAPPED[:16] + b"CMYK" + SWAPPED[20:], "its colour profile is for CMYK"),
    ],
)
def test_a_profile_of_no_use_is_left_out_with_a_note(
    profile: bytes, part: str, tmp_path: Path
) -> None:
    found = open_picture(saved(tmp_path / "a.jpg", profile=profile, quality=95))
    assert found.profile is None and len(found.notes) == 1 and part in found.notes[0]
    assert np.abs(found.pixels.astype(int) - CARD).mean() < 6  # as any JPEG of this picture


def test_a_grey_profile_is_not_given_to_three_channels(tmp_path: Path) -> None:
    grey = SWAPPED[:16] + b"GRAY" + SWAPPED[20:]
    found = open_picture(saved(tmp_path / "a.png", CARD[..., 0], grey))
    assert found.profile is None and found.notes == ()
