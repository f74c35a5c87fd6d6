import errno
import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edgematte import pictures, testcard
from edgematte.arrays import Bytes
from edgematte.errors import OptionError, PictureError
from edgematte.pictures import (
    alpha_bytes,
    composite,
    cutout,
    encode,
    format_of,
    read_background,
    read_grey,
    read_picture,
    write_picture,
)

CARD = testcard.testcard(40, 30)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def card(path: Path, **options: Any) -> Path:
    return saved(Image.fromarray(CARD), path, **options)


def noise(*shape: int, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


# Reading: kinds of pictures


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "ppm", "tga"])
def test_lossless_files_are_read_exactly(ending: str, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_picture(card(tmp_path / f"a.{ending}")), CARD)


def test_a_jpeg_is_read_as_its_pixels(tmp_path: Path) -> None:
    found = read_picture(card(tmp_path / "a.jpg", quality=95))
    # Quality 95 and halved chroma: a few levels on average, 60 at worst on one strand of hair.
    assert found.shape == CARD.shape and np.abs(found.astype(int) - CARD).mean() < 6


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = noise(9, 7)
    found = read_picture(saved(Image.fromarray(grey), tmp_path / "a.png"))
    np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, axis=2))


def test_16_bit_grey_keeps_its_high_byte(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    path = saved(Image.fromarray(values), tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(path)[0, :, 0], [0, 0, 1, 128, 255])
    np.testing.assert_array_equal(read_grey(path)[0], [0, 0, 1, 128, 255])


def png_of(samples: NDArray[np.uint16]) -> bytes:
    """A 16-bit RGB PNG, which Pillow itself cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_16_bit_rgb_keeps_its_high_bytes() -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (6, 5, 3)).astype(np.uint16)
    found = read_picture(io.BytesIO(png_of(samples)))
    np.testing.assert_array_equal(found, samples >> 8)


def test_a_palette_is_looked_up_and_its_transparency_dropped(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 255, 0])
    image.putdata([0, 1, 2])
    wanted = [[[10, 20, 30], [200, 100, 50], [0, 255, 0]]]
    for name, options in (("a.png", {}), ("b.png", {"transparency": 1}), ("c.gif", {})):
        path = saved(image, tmp_path / name, **options)
        np.testing.assert_array_equal(read_picture(path), wanted)


def test_cmyk_jpegs_come_out_in_their_colours(tmp_path: Path) -> None:
    path = saved(Image.fromarray(CARD).convert("CMYK"), tmp_path / "a.jpg", quality=95)
    found = read_picture(path)
    # Naive CMYK and JPEG: a few levels; inverted channels, the usual mistake, would be 100.
    assert found.shape == CARD.shape and np.abs(found.astype(int) - CARD).mean() < 8


def test_an_alpha_channel_is_dropped_and_the_colours_under_it_kept(tmp_path: Path) -> None:
    colours = np.concatenate([CARD, noise(30, 40, 1)], axis=2)
    found = read_picture(saved(Image.fromarray(colours), tmp_path / "a.png"))
    np.testing.assert_array_equal(found, CARD)


def test_grey_with_alpha(tmp_path: Path) -> None:
    image = Image.merge("LA", [Image.fromarray(noise(9, 7, seed=s)) for s in (1, 2)])
    found = read_picture(saved(image, tmp_path / "a.png"))
    np.testing.assert_array_equal(found[..., 1], noise(9, 7, seed=1))


def test_one_bit_pictures_are_black_and_white(tmp_path: Path) -> None:
    bits = noise(9, 7) > 127
    path = saved(Image.fromarray(bits), tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(path)[..., 0], bits * np.uint8(255))
    np.testing.assert_array_equal(read_grey(path), bits * np.uint8(255))


def test_one_pixel_and_a_strip(tmp_path: Path) -> None:
    for shape in ((1, 1, 3), (20, 30_000, 3), (30_000, 1, 3)):
        picture = noise(*shape)
        path = saved(Image.fromarray(picture), tmp_path / "a.png")
        np.testing.assert_array_equal(read_picture(path), picture)


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    path = saved(first, tmp_path / "a.gif", save_all=True, append_images=[second])
    assert (read_picture(path) == (255, 0, 0)).all()


def upright_from(stored: Bytes, orientation: int) -> Bytes:
    """What the EXIF standard says a viewer shows for rows and columns stored that way."""
    by_number = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored, 1),
    }
    return by_number[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_pictures_upright(orientation: int, tmp_path: Path) -> None:
    """Row 0 and column 0 of what is stored are, upright: 1 top left, 2 top right, 3 bottom right,
    4 bottom left, 5 left top, 6 right top, 7 right bottom, 8 left bottom."""
    sides = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }
    stored = noise(6, 9, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_picture(saved(Image.fromarray(stored), tmp_path / "a.png", exif=exif))
    np.testing.assert_array_equal(found, upright_from(stored, orientation))
    edge = {"top": found[0], "bottom": found[-1], "left": found[:, 0], "right": found[:, -1]}
    for line, side in zip((stored[0], stored[:, 0]), sides[orientation], strict=True):
        assert sorted(map(tuple, line.tolist())) == sorted(map(tuple, edge[side].tolist()))


@pytest.mark.parametrize("orientation", [3, 6])
def test_exif_of_a_jpeg_turns_it_as_the_upright_file(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = read_picture(card(tmp_path / "a.jpg", exif=exif, quality=95))
    plain = read_picture(card(tmp_path / "b.jpg", quality=95))
    np.testing.assert_array_equal(turned, upright_from(plain, orientation))


def test_exif_turns_16_bit_pictures_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    values = np.array([[0, 65535, 256]], np.uint16)
    path = saved(Image.fromarray(values), tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(path)[:, 0, 0], [0, 255, 1])


# Reading: what is refused


def refused(source: Path | io.BytesIO, part: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing beside the message reaches the user
        with pytest.raises(PictureError, match=part) as caught:
            read_picture(source)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.jpg", "no picture at .*none.jpg")


def test_a_folder(tmp_path: Path) -> None:
    refused(tmp_path, "cannot be read .Is a directory")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    refused(tmp_path / "a.jpg", r"a.jpg is empty \(0 bytes\)")


def test_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("not a picture\n" * 9)
    refused(tmp_path / "a.jpg", "a.jpg is not a picture")


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file(ending: str, share: float, tmp_path: Path) -> None:
    picture = Image.fromarray(noise(80, 90, 3))
    path = saved(picture, tmp_path / f"a.{ending}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, f"a.{ending} is (damaged or truncated|not a picture)")


def test_standard_input_is_named_so() -> None:
    refused(io.BytesIO(b"text"), "the picture on standard input is not a picture")
    refused(io.BytesIO(), "the picture on standard input is empty")


def test_floating_point_pictures_have_no_range(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.ones((4, 5), np.float32)), tmp_path / "a.tif")
    refused(path, "a.tif holds floating-point values")


def test_integers_beyond_16_bits(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.full((4, 5), 70_000, np.int32)), tmp_path / "a.tif")
    refused(path, "a.tif has grey values outside of 16 bits")


def header_only(width: int, height: int) -> io.BytesIO:
    """A grey PNG that says its size and holds no pixel: whoever decodes it notices."""
    whole = png_of(np.zeros((1, 1, 3), np.uint16))
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = whole[:12] + header + struct.pack(">I", zlib.crc32(header))
    return io.BytesIO(start + whole[33:])


@pytest.mark.parametrize("size", [(20_001, 20_000), (40_000, 40_000), (2_000_000_000, 2)])
def test_too_many_pixels_are_refused_before_they_are_decoded(size: tuple[int, int]) -> None:
    refused(header_only(*size), "pixels; at most 400,000,000 are read")


@pytest.mark.parametrize("size", [(9_500, 9_500), (16_320, 12_240)])
def test_as_many_pixels_as_promised_are_not_refused_for_their_number(size: tuple[int, int]) -> None:
    """Pillow alone warns from 89 and refuses from 179 million; phones take 200."""
    refused(header_only(*size), "damaged or truncated")  # their pixels are missing, no more


def test_pillows_own_limit_is_left_as_it_was(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    read_picture(card(tmp_path / "a.png"))
    refused(header_only(40_000, 40_000), "pixels")
    assert before == Image.MAX_IMAGE_PIXELS


def test_another_limit_of_pixels_for_pictures_that_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused(header_only(20_001, 20_000), "if you trust it, set EDGEMATTE_MAX_PIXELS to a larger")
    monkeypatch.setenv("EDGEMATTE_MAX_PIXELS", "500000000")
    refused(header_only(20_001, 20_000), "damaged or truncated")  # it is read by now
    refused(header_only(40_000, 40_000), "pixels; at most 500,000,000 are read")
    monkeypatch.setenv("EDGEMATTE_MAX_PIXELS", "246")
    refused(card(tmp_path / "a.png"), "at most 246 are read")
    for wrong in ("many", "-1", "0", "1e9", "\u0661", "9" * 13):
        monkeypatch.setenv("EDGEMATTE_MAX_PIXELS", wrong)
        with pytest.raises(OptionError, match="EDGEMATTE_MAX_PIXELS is .*a whole number of pixels"):
            read_picture(card(tmp_path / "a.png"))


def test_a_program_that_draws_is_no_picture(tmp_path: Path) -> None:
    """Pillow would start Ghostscript with it, whatever its name says."""
    image = Image.fromarray(testcard.testcard(19, 13))
    image.save(tmp_path / "a.eps", "EPS")
    path = (tmp_path / "a.eps").rename(tmp_path / "a.png")
    refused(path, "a.png is EPS, a program and no picture")


def samples() -> dict[str, bytes]:
    found = {}
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "DDS"):
        stream = io.BytesIO()
        image = Image.fromarray(testcard.testcard(19, 13))
        try:
            (image.quantize(16) if kind == "GIF" else image).save(stream, kind)
        except (KeyError, OSError):  # this Pillow was built without it
            continue
        found[kind] = stream.getvalue()
    return found


SAMPLES = samples()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_damaged_files_are_read_or_refused_and_never_a_traceback(
    kind: str, data: st.DataObject
) -> None:
    content = bytearray(SAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    try:
        found = read_picture(io.BytesIO(bytes(content)))
    except PictureError as error:
        assert "\n" not in str(error).strip()
    else:
        assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3


# Alpha, cutout, composite


def test_alpha_is_rounded_to_the_nearest_step() -> None:
    alpha = np.array([[0, 0.001, 0.002, 0.5, 0.998, 0.999, 1]], np.float32)
    np.testing.assert_array_equal(alpha_bytes(alpha), [[0, 0, 1, 128, 254, 255, 255]])
    np.testing.assert_array_equal(
        alpha_bytes(alpha, 16), [[0, 66, 131, 32768, 65404, 65469, 65535]]
    )


@pytest.mark.parametrize(("bits", "top", "dtype"), [(8, 255, np.uint8), (16, 65535, np.uint16)])
def test_every_step_of_alpha_survives_a_file(
    bits: int, top: int, dtype: type, tmp_path: Path
) -> None:
    steps = np.arange(top + 1).reshape(-1, 256)
    array = alpha_bytes((steps / np.float32(top)).astype(np.float32), bits)
    assert array.dtype == dtype
    write_picture(array, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), steps)


def test_a_cutout_is_the_picture_and_its_alpha_not_premultiplied(tmp_path: Path) -> None:
    alpha = np.random.default_rng(0).random((30, 40), np.float32)
    alpha[:10] = 0
    write_picture(cutout(CARD, alpha), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGBA"
        found = np.asarray(image)
    seen = alpha_bytes(alpha) > 0
    np.testing.assert_array_equal(found[seen, :3], CARD[seen])
    assert (found[~seen] == 0).all()  # nothing of what was removed can be read
    np.testing.assert_array_equal(found[..., 3], alpha_bytes(alpha))


@pytest.mark.parametrize("height", [1, 255, 256, 257, 600])
def test_a_composite_is_eq_1(height: int) -> None:
    picture, behind = noise(height, 7, 3, seed=1), noise(height, 7, 3, seed=2)
    alpha = np.random.default_rng(3).random((height, 7), np.float32)
    for background in (behind, behind[0, 0]):
        mixed = alpha[..., None] * picture.astype(float) + (1 - alpha[..., None]) * background
        found = composite(picture, alpha, background)
        assert found.dtype == np.uint8
        # Rounded to the nearest: half a level, and float32.
        assert np.abs(found - mixed).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("linear", [False, True])
def test_a_composite_of_0_and_1_is_exact(linear: bool) -> None:
    picture, behind = noise(9, 7, 3, seed=1), noise(9, 7, 3, seed=2)
    alpha = (noise(9, 7) > 127).astype(np.float32)
    wanted = np.where(alpha[..., None] == 1, picture, behind)
    np.testing.assert_array_equal(composite(picture, alpha, behind, linear=linear), wanted)


@pytest.mark.parametrize("height", [1, 257])
def test_a_composite_of_light_is_eq_1_of_light(height: int) -> None:
    """Against IEC 61966-2-1 written out; half a level of rounding, and float32."""

    def light(value: Any) -> Any:
        value = value / 255
        return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)

    def stored(value: Any) -> Any:
        small = value * 12.92
        return 255 * np.where(value <= 0.0031308, small, 1.055 * value ** (1 / 2.4) - 0.055)

    picture, behind = noise(height, 7, 3, seed=1), noise(height, 7, 3, seed=2)
    alpha = np.random.default_rng(3).random((height, 7), np.float32)
    for background in (behind, behind[0, 0]):
        weight = alpha[..., None].astype(float)
        mixed = stored(weight * light(picture) + (1 - weight) * light(background))
        found = composite(picture, alpha, background, linear=True)
        assert found.dtype == np.uint8
        assert np.abs(found - mixed).max() <= 0.5 + 1e-2


@pytest.mark.parametrize(
    ("text", "colour"),
    [("white", (255, 255, 255)), ("#00ff00", (0, 255, 0)), ("rgb(1, 2, 3)", (1, 2, 3))],
)
def test_a_background_may_be_a_colour(text: str, colour: tuple[int, int, int]) -> None:
    np.testing.assert_array_equal(read_background(text, (5, 4)), colour)


def test_a_background_picture_covers_without_being_stretched(tmp_path: Path) -> None:
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, 14:26] = 255  # of which a square picture shows the middle 10 columns
    path = saved(Image.fromarray(wide), tmp_path / "a.png")
    found = read_background(str(path), (20, 20))
    assert found.shape == (20, 20, 3) and (found == 255).all()


@pytest.mark.parametrize("text", ["", "nonsense", "#12", "none.png", "a\0b"])
def test_a_background_that_is_neither(text: str) -> None:
    with pytest.raises(OptionError, match="neither a colour .* nor a file"):
        read_background(text, (5, 4))


# Writing


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.tif", "a.bmp", "a.webp"])
def test_the_ending_is_the_format(name: str, tmp_path: Path) -> None:
    write_picture(CARD, tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.format == format_of(Path(name)) and image.size == (40, 30)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.txt", "a.psd", "a.fits"])
def test_an_ending_that_is_not_written_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"use .png"):
        write_picture(CARD, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bits", [8, 16])
def test_a_jpeg_holds_no_alpha_channel_and_no_16_bits(bits: int, tmp_path: Path) -> None:
    alpha = np.ones((30, 40), np.float32)
    array = cutout(CARD, alpha) if bits == 8 else alpha_bytes(alpha, 16)
    with pytest.raises(OptionError, match=r"JPEG cannot hold this picture .*; write .png"):
        write_picture(array, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_a_picture_too_large_for_its_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="JPEG cannot hold this picture"):
        encode(np.zeros((1, 70_000, 3), np.uint8), "JPEG")


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        real(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_picture(CARD, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_former_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(CARD, tmp_path / "a.png")
    monkeypatch.setattr(Path, "write_bytes", lambda self, data: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_picture(CARD[::-1], tmp_path / "a.png")
    assert [f.name for f in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), CARD)


def test_the_limit_is_the_one_the_messages_name() -> None:
    assert pictures.MAX_PIXELS == 20_000 * 20_000
