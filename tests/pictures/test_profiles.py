"""Colour profiles: kept where a file can carry one, converted where it cannot."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

import edgematte
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
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


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


# What nets see


def test_nets_see_srgb_and_cutouts_keep_the_profile(tiny_bundle: Path, tmp_path: Path) -> None:
    turned = CARD[..., [1, 0, 2]]  # what SWAPPED shows as the card's own colours
    matter = edgematte.load(tiny_bundle, threads=1)
    matte = matter(saved(tmp_path / "a.png", turned))
    assert matte.picture is not None
    np.testing.assert_array_equal(matte.picture.pixels, turned)
    # LittleCMS rounds by a level, which moves the tiny net's alpha by a few hundredths at most.
    assert np.abs(matte.picture.seen.astype(int) - CARD).max() <= 1
    np.testing.assert_array_equal(matte.alpha, matter(matte.picture.seen).alpha)
    np.testing.assert_array_equal(np.asarray(matte.image(keep_colour=True))[..., :3], turned)
    assert matte.image().info["icc_profile"] == SWAPPED


def test_a_profile_that_is_srgb_changes_nothing(tmp_path: Path) -> None:
    picture = open_picture(saved(tmp_path / "a.png", profile=SRGB))
    assert picture.profile == SRGB and picture.seen is picture.pixels


def cmyk_profile() -> bytes:
    """A CMYK profile: its table to Lab says L = 100 - K, and no colour, whatever C, M and Y are."""
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    table = b"".join(struct.pack(">BBB", 255 * (1 - k), 128, 128) for *_, k in corners)
    line = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1\0\0\0\0" + struct.pack(">4B", 4, 3, 2, 0) + matrix + line * 4 + table + line * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"A2B0": lut, b"wtpt": white}
    place, entries, bodies = 132 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        entries += struct.pack(">4sII", name, place + len(bodies), len(body))
        bodies += body + b"\0" * (-len(body) % 4)
    header = bytearray(128)
    header[8:12], header[12:24] = b"\x02\x40\0\0", b"prtrCMYKLab "
    header[36:40], header[68:80] = b"acsp", struct.pack(">3i", 63190, 65536, 54061)
    body = struct.pack(">I", len(tags)) + entries + bodies
    header[:4] = struct.pack(">I", 128 + len(body))
    return bytes(header) + body


def test_cmyk_is_converted_by_its_own_profile(tmp_path: Path) -> None:
    cyan = np.zeros((8, 8, 4), np.uint8)
    cyan[..., 0] = 255
    cyan[4:, :, 3] = 255
    image, path = Image.fromarray(cyan, "CMYK"), tmp_path / "a.tif"
    image.save(path, icc_profile=cmyk_profile())
    found = open_picture(path)
    assert found.profile is None and found.notes == ()
    # Of this profile cyan ink is white, of none, cyan; black is black in both.
    assert (found.pixels[:4] >= 253).all() and (found.pixels[4:] <= 2).all()
    image.save(path)
    assert (open_picture(path).pixels[:4] == (0, 255, 255)).all()


def test_a_profile_whose_white_is_dark_is_dropped_with_a_note(tmp_path: Path) -> None:
    profile = bytearray(SRGB)
    for name in (b"rXYZ", b"gXYZ", b"bXYZ"):
        (place,) = struct.unpack_from(">I", profile, profile.find(name) + 4)
        primary = struct.unpack_from(">3i", profile, place + 8)
        struct.pack_into(">3i", profile, place + 8, *(value // 3 for value in primary))
    found = open_picture(saved(tmp_path / "a.png", profile=bytes(profile)))
    assert found.profile is None and len(found.notes) == 1
    assert "its colour profile makes white or black another colour" in found.notes[0]
    np.testing.assert_array_equal(found.seen, CARD)


def test_a_profile_that_lies_is_dropped_with_a_note(tmp_path: Path) -> None:
    cyan = np.zeros((8, 8, 4), np.uint8)
    cyan[..., 0] = 255
    path = tmp_path / "a.tif"
    for profile, said in (
        (SRGB, "its colour profile is for RGB, not CMYK"),
        (SWAPPED[:16] + b"CMYK" + SWAPPED[20:], "its colour profile cannot be read"),
    ):
        Image.fromarray(cyan, "CMYK").save(path, icc_profile=profile)
        found = open_picture(path)
        assert found.profile is None and len(found.notes) == 1 and said in found.notes[0]
        assert (found.pixels == (0, 255, 255)).all()
