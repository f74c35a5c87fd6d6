"""More than 8 bits a channel, from file to file: what is not in the soft band is the input's."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

import edgematte
from edgematte import testcard
from edgematte.cli import main
from edgematte.errors import OptionError, PictureError
from edgematte.pictures import alpha_bytes, composite, cutout, encode, open_picture, read_picture
from edgematte.pictures.metadata import TURNS, turn_array
from edgematte.pictures.primaries import to_srgb
from edgematte.pictures.tone import KNEE, light_of, shown

Run = Callable[..., int]
CARD = testcard.testcard(60, 45)
NOISE = np.random.default_rng(0).integers(0, 256, CARD.shape)
DEEP = (CARD.astype(np.uint16) << 8) | NOISE.astype(np.uint16)

TRIMAP = np.zeros((45, 60), np.uint8)
TRIMAP[5:, 10:], TRIMAP[15:, 25:] = 128, 255


def needs(package: str, extra: str) -> Any:
    return pytest.importorskip(package, reason=f"needs edgematte[{extra}]")


@pytest.fixture
def matte(tiny_bundle: Path) -> Run:
    return lambda *arguments: main(
        ["matte", *map(str, arguments), "--bundle", str(tiny_bundle), "--threads", "1"]
    )


def deep_png(path: Path, array: NDArray[Any] = DEEP) -> Path:
    path.write_bytes(encode(array, "PNG"))
    return path


def light_exr(path: Path, light: NDArray[Any]) -> Path:
    needs("OpenEXR", "vfx")
    path.write_bytes(encode(light, "EXR"))
    return path


# 16 bits


def test_16_bits_of_png_are_read_as_stored(tmp_path: Path) -> None:
    needs("imagecodecs", "deep")
    alpha = np.linspace(0, 65535, DEEP.shape[0] * DEEP.shape[1]).astype(np.uint16)
    rgba = np.dstack([DEEP, alpha.reshape(DEEP.shape[:2])])
    for array in (DEEP, rgba):
        found = open_picture(deep_png(tmp_path / "a.png", array))
        np.testing.assert_array_equal(found.colours, DEEP)
        np.testing.assert_array_equal(found.pixels, CARD)
        assert found.notes == ()
    np.testing.assert_array_equal(found.alpha, rgba[..., 3])


def test_grey_of_16_bits_needs_no_package(matte: Run, tmp_path: Path) -> None:
    grey = DEEP[..., 1]
    Image.fromarray(grey).save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.colours, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("options", [(), ("--foreground",)])
def test_a_cutout_has_the_16_bits_of_its_picture(
    ending: str, options: tuple[str, ...], matte: Run, tmp_path: Path, tiny_bundle: Path
) -> None:
    for package in ("imagecodecs", "tifffile"):
        needs(package, "deep")
    source, out = deep_png(tmp_path / "a.png"), tmp_path / f"out.{ending}"
    Image.fromarray(TRIMAP).save(tmp_path / "trimap.png")
    assert matte(source, "-o", out, "--trimap", tmp_path / "trimap.png", *options) == 0
    alpha = edgematte.load(tiny_bundle, threads=1)(CARD, TRIMAP).alpha
    found = open_picture(out)
    assert found.alpha is not None and found.alpha.dtype == np.uint16
    np.testing.assert_array_equal(found.alpha, alpha_bytes(alpha, 16))
    assert (found.alpha % 257).any()  # 16 bits, not 8 stretched: no bands
    whole = alpha == 1
    assert whole.any() and (found.colours[found.alpha == 0] == 0).all()
    np.testing.assert_array_equal(found.colours[whole], DEEP[whole])
    if not options:
        seen = found.alpha > 0
        np.testing.assert_array_equal(found.colours[seen], DEEP[seen])


def test_without_the_package_8_bits_are_read_and_said(
    matte: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    assert matte(deep_png(tmp_path / "a.png"), "-o", tmp_path / "out.png") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "a.png was read at 8 bits a channel, and has more" in line and "edgematte[deep]" in line
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == "RGBA"
    assert read_picture(tmp_path / "a.png").shape == CARD.shape  # who wants bytes is told nothing


def test_a_format_of_8_bits_gets_the_high_ones(matte: Run, tmp_path: Path, capsys: Any) -> None:
    needs("imagecodecs", "deep")
    assert matte(deep_png(tmp_path / "a.png"), "-o", tmp_path / "out.webp") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "a.png has 16 bits a channel, out.webp holds 8" in line
    with Image.open(tmp_path / "out.webp") as image:
        found = np.asarray(image)
    seen = found[..., 3] > 0
    np.testing.assert_array_equal(found[seen, :3], CARD[seen])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_stored_pixels_are_turned_as_pillow_turns_them(orientation: int) -> None:
    image = Image.fromarray(CARD)
    turn = TURNS.get(orientation)
    wanted = np.asarray(image if turn is None else image.transpose(turn))
    np.testing.assert_array_equal(turn_array(CARD, orientation), wanted)


@pytest.mark.parametrize("linear", [False, True])
def test_a_composite_of_16_bits_is_that_of_8_and_finer(linear: bool) -> None:
    alpha = np.random.default_rng(1).random(CARD.shape[:2], np.float32)
    behind = np.array([0, 200, 60], np.uint8)
    fine = composite(CARD.astype(np.uint16) * 257, alpha, behind, linear=linear)
    coarse = composite(CARD, alpha, behind, linear=linear)
    assert fine.dtype == np.uint16
    # Half a level of 8 bits, and a step of 16 bits at the least.
    assert np.abs(fine / 257 - coarse).max() <= 0.51


@pytest.mark.parametrize("bits", [10, 12])
def test_avif_of_more_than_8_bits(bits: int, matte: Run, tmp_path: Path) -> None:
    codecs = needs("imagecodecs", "deep")
    fine = DEEP >> (16 - bits)
    data = codecs.avif_encode(fine, level=100, bitspersample=bits)
    (tmp_path / "a.avif").write_bytes(data)
    found = open_picture(tmp_path / "a.avif")
    assert found.notes == () and found.colours.dtype == np.uint16
    # Lossless, or as good as that; one step of so many bits.
    assert np.abs((found.colours >> (16 - bits)).astype(int) - fine).max() <= 1
    assert matte(tmp_path / "a.avif", "-o", tmp_path / "out.png") == 0
    out = open_picture(tmp_path / "out.png")
    assert out.alpha is not None
    seen = out.alpha > 0
    np.testing.assert_array_equal(out.colours[seen], found.colours[seen])


# Premultiplied colours


def test_premultiplied_is_recorded_and_undone(matte: Run, tmp_path: Path, capsys: Any) -> None:
    tifffile = needs("tifffile", "deep")
    needs("imagecodecs", "deep")
    source, out = deep_png(tmp_path / "a.png"), tmp_path / "out.tif"
    assert matte(source, "-o", out, "--alpha", "premultiplied") == 0
    with tifffile.TiffFile(out) as file:
        assert [int(value) for value in file.pages[0].extrasamples] == [1]  # associated alpha
        stored = file.pages[0].asarray().astype(int)
    alpha = stored[..., 3]
    wanted = np.where(alpha[..., None] > 0, np.rint(DEEP * (alpha[..., None] / 65535)), 0)
    assert np.abs(stored[..., :3] - wanted).max() <= 1  # float32 and a rounding
    found = open_picture(out)
    # Read again colours are divided: half a step of 65535 becomes that by alpha.
    bright = alpha > 2000
    assert np.abs(found.colours[bright].astype(int) - DEEP[bright]).max() <= 0.5 * 65535 / 2000 + 2
    capsys.readouterr()
    for options, said in (
        (("-o", "x.png"), "PNG has no way to say that colours are premultiplied; write .tif, .exr"),
        (("-o", "x.tif", "--keep-colour"), "--keep-colour has no meaning with premultiplied"),
        (("-o", "x.tif", "--background", "red"), "--alpha needs a cutout with transparency"),
    ):
        assert matte(source, "--alpha", "premultiplied", *options) == 2
        assert said in capsys.readouterr().err


# Alpha


def test_alpha_in_floats_is_the_apis(matte: Run, tmp_path: Path, tiny_bundle: Path) -> None:
    Image.fromarray(CARD).save(tmp_path / "a.png")
    out = tmp_path / "alpha.tif"
    assert matte(tmp_path / "a.png", "-o", out, "--write", "alpha", "--alpha-bits", 32) == 0
    wanted = edgematte.load(tiny_bundle, threads=1)(CARD).alpha
    with Image.open(out) as image:
        np.testing.assert_array_equal(np.asarray(image), wanted)


# Light


def test_the_view_of_light_is_srgb_up_to_the_knee_and_keeps_highlights_apart() -> None:
    light = light_of(CARD)
    below = (light <= KNEE).all(axis=2)
    np.testing.assert_array_equal(shown(light)[below], CARD[below])
    ramp = np.linspace(0, 8, 2000, dtype=np.float32).reshape(-1, 1, 1).repeat(3, axis=2)
    seen = shown(ramp, 65535).astype(int)
    assert (np.diff(seen[:, 0, 0]) >= 0).all()
    assert len(np.unique(shown(ramp)[400:, 0, 0])) >= 5  # of 8 bits, from 1.6 to 8
    odd = np.array([[[np.nan, -1, np.inf]]], np.float32)
    assert shown(odd).tolist() == [[[0, 0, 255]]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_exr_from_file_to_file(
    dtype: type[Any], matte: Run, tmp_path: Path, tiny_bundle: Path
) -> None:
    exr = needs("OpenEXR", "vfx")
    light = light_of(CARD).astype(dtype)
    light[:20] *= dtype(3)  # highlights, which nothing clips
    source, out = light_exr(tmp_path / "a.exr", light), tmp_path / "out.exr"
    Image.fromarray(TRIMAP).save(tmp_path / "trimap.png")
    given = ("--trimap", tmp_path / "trimap.png")
    assert matte(source, "-o", out, "--write", "cutout", "alpha", *given) == 0
    alpha = edgematte.load(tiny_bundle, threads=1)(shown(light), TRIMAP).alpha
    planes = exr.File(str(out), separate_channels=True).channels()
    found = np.dstack([planes[name].pixels for name in "RGB"])
    assert found.dtype == dtype and planes["A"].pixels.dtype == dtype
    np.testing.assert_array_equal(planes["A"].pixels, alpha.astype(dtype))
    whole, clear = alpha == 1, alpha == 0
    assert whole.any() and (found[clear] == 0).all()
    np.testing.assert_array_equal(found[whole], light[whole])
    soft = ~whole & ~clear
    wanted = light[soft].astype(float) * alpha.astype(dtype)[soft, None]  # premultiplied
    np.testing.assert_allclose(found[soft], wanted, rtol=2e-3, atol=1e-6)  # of a half
    written = exr.File(str(tmp_path / "out-alpha.exr"), separate_channels=True).channels()
    np.testing.assert_array_equal(written["Y"].pixels, alpha)
    assert matte(out, "-o", tmp_path / "again.png", "--write", "trimap") == 0


def test_exr_to_formats_of_stored_values(matte: Run, tmp_path: Path, capsys: Any) -> None:
    needs("OpenEXR", "vfx")
    needs("imagecodecs", "deep")
    source = light_exr(tmp_path / "a.exr", light_of(CARD))
    for name, top in (("out.png", 65535), ("out.webp", 255)):
        assert matte(source, "-o", tmp_path / name) == 0
        bits = 16 if top == 65535 else 8
        assert f"a.exr holds light, {name} stored values of {bits} bits" in capsys.readouterr().err
        found = open_picture(tmp_path / name)
        seen = cutout(found.pixels, np.ones(CARD.shape[:2], np.float32))[..., 3] > 0
        if found.alpha is not None:
            seen = found.alpha > 0
        wanted = shown(light_of(CARD), top)
        np.testing.assert_array_equal(found.colours[seen], wanted[seen])


def test_a_folder_of_exr_gives_exr(matte: Run, tmp_path: Path) -> None:
    needs("OpenEXR", "vfx")
    (tmp_path / "in").mkdir()
    light_exr(tmp_path / "in" / "a.exr", light_of(CARD))
    Image.fromarray(CARD).save(tmp_path / "in" / "b.png")
    kinds = ("cutout", "alpha", "trimap")
    assert matte(tmp_path / "in", "-o", tmp_path / "out", "--write", *kinds) == 0
    found = sorted(f.name for f in (tmp_path / "out").iterdir())
    exr = ["a-alpha.exr", "a-trimap.png", "a.exr"]
    assert found == [*exr, "b-alpha.png", "b-trimap.png", "b.png"]


def test_a_photo_to_exr_is_its_light(matte: Run, tmp_path: Path) -> None:
    needs("OpenEXR", "vfx")
    Image.fromarray(CARD).save(tmp_path / "a.png")
    assert matte(tmp_path / "a.png", "-o", tmp_path / "out.exr", "--alpha", "straight") == 0
    found = open_picture(tmp_path / "out.exr")
    assert found.alpha is not None
    whole = found.alpha == 1
    np.testing.assert_array_equal(found.colours[whole], light_of(CARD).astype(np.float16)[whole])


ACESCG = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)


def test_primaries_and_windows_of_exr_are_kept_and_the_nets_see_srgb(
    matte: Run, tmp_path: Path
) -> None:
    exr = needs("OpenEXR", "vfx")
    srgb = light_of(CARD)
    aces = srgb @ np.linalg.inv(to_srgb(ACESCG)).T
    window = np.array([2, 3], np.int32), np.array([61, 47], np.int32)
    header = {"chromaticities": ACESCG, "owner": "Ada", "dataWindow": window}
    (tmp_path / "a.exr").write_bytes(encode(aces, "EXR", header=header))
    found = open_picture(tmp_path / "a.exr")
    # A matrix and its inverse in float32, seen in 8 bits: a level of rounding.
    assert np.abs(found.pixels.astype(int) - shown(srgb)).max() <= 1
    np.testing.assert_array_equal(found.colours, aces)
    for name, options in (
        ("out.exr", ()),
        ("alpha.exr", ("--write", "alpha")),
        ("before.exr", ("--background", "#406080")),
    ):
        assert matte(tmp_path / "a.exr", "-o", tmp_path / name, *options) == 0
        kept = exr.File(str(tmp_path / name), header_only=True).header()
        np.testing.assert_allclose(kept["chromaticities"], ACESCG, rtol=1e-6)  # float32
        assert kept["owner"] == "Ada"
        np.testing.assert_array_equal(kept["dataWindow"], window)
    assert matte(tmp_path / "a.exr", "-o", tmp_path / "out.png", "--background", "#406080") == 0
    stored = open_picture(tmp_path / "out.png").pixels.astype(int)
    light = open_picture(tmp_path / "before.exr").pixels.astype(int)
    # Mixed in stored values of 16 bits and in light: alike below the knee but for rounding.
    below = (shown(srgb) < 225).all(axis=2)
    assert np.abs(stored - light)[below].max() <= 2


def test_white_of_other_primaries_is_white() -> None:
    """And ACEScg's matrix is the one that is published for it (Bradford, to D65)."""
    np.testing.assert_allclose(to_srgb(ACESCG).sum(axis=1), 1, atol=1e-6)
    published = [[1.70505, -0.62179, -0.08326], [-0.13026, 1.1408, -0.01055]]
    np.testing.assert_allclose(to_srgb(ACESCG)[:2], published, atol=2e-4)


def test_an_exr_with_nan_and_infinities(matte: Run, tmp_path: Path, capsys: Any) -> None:
    needs("OpenEXR", "vfx")
    light = light_of(CARD)
    light[3, :5], light[30, 7] = np.nan, np.inf
    source = light_exr(tmp_path / "a.exr", light)
    assert matte(source, "-o", tmp_path / "out.exr", "--foreground") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "a.exr: 6 pixels hold NaN or infinity" in line
    assert np.isfinite(open_picture(tmp_path / "out.exr").pixels).all()
    assert matte(source, "-o", tmp_path / "out.png", "--background", "green") == 0


def test_what_no_exr_is(tmp_path: Path) -> None:
    needs("OpenEXR", "vfx")
    good = encode(light_of(CARD), "EXR")
    with pytest.raises(PictureError, match="damaged or truncated"):
        open_picture(io.BytesIO(good[: len(good) // 2]))
    with pytest.raises(OptionError, match="EXR cannot hold this picture"):
        encode(CARD, "EXR")


def test_without_openexr_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "OpenEXR", None)
    with pytest.raises(PictureError, match=r"is an OpenEXR picture.*edgematte\[vfx\]"):
        open_picture(io.BytesIO(b"\x76\x2f\x31\x01" + bytes(20)))


# HEIF


@pytest.mark.parametrize("bits", [10, 12])
def test_heic_in_and_out(bits: int, matte: Run, tmp_path: Path, capsys: Any) -> None:
    heif = needs("pillow_heif", "heif")
    fine = (DEEP >> (16 - bits)) << (16 - bits)
    wide = heif.from_bytes(mode="RGB;16", size=(60, 45), data=fine.tobytes())
    wide.save(tmp_path / "a.heic", quality=-1, chroma=444, matrix_coefficients=0, bit_depth=bits)
    picture = open_picture(tmp_path / "a.heic")
    assert picture.notes == () and picture.colours.dtype == np.uint16
    np.testing.assert_array_equal(picture.colours >> (16 - bits), DEEP >> (16 - bits))
    assert matte(tmp_path / "a.heic", "-o", tmp_path / "out.heic") == 0
    assert capsys.readouterr().err == ""
    assert (
        heif.open_heif(tmp_path / "out.heic", convert_hdr_to_8bit=False).info["bit_depth"] == bits
    )
    assert matte(tmp_path / "a.heic", "-o", tmp_path / "out.png") == 0
    found, png = open_picture(tmp_path / "out.heic"), open_picture(tmp_path / "out.png")
    assert found.alpha is not None and png.alpha is not None
    seen = png.alpha > 0
    np.testing.assert_array_equal(found.colours[seen], picture.colours[seen])
    # Alpha in as many bits: half a step.
    assert np.abs(found.alpha.astype(int) - png.alpha).max() <= 65535 / (2**bits - 1) / 2 + 1


def test_heic_of_16_bits_has_12_and_says_so(matte: Run, tmp_path: Path, capsys: Any) -> None:
    needs("pillow_heif", "heif")
    needs("imagecodecs", "deep")
    assert matte(deep_png(tmp_path / "a.png"), "-o", tmp_path / "out.heic") == 0
    assert "a.png has 16 bits a channel, out.heic holds 12" in capsys.readouterr().err
    found = open_picture(tmp_path / "out.heic")
    assert found.alpha is not None
    seen = found.alpha > 0
    # The nearest of 4096 values.
    assert np.abs(found.colours[seen].astype(int) - DEEP[seen]).max() <= 65535 / 4095 / 2 + 1


def test_deep_heic_keeps_profile_and_exif() -> None:
    needs("pillow_heif", "heif")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright] = "Ada"
    data = encode(DEEP, "HEIF", profile, exif=exif.tobytes())
    found = open_picture(io.BytesIO(data))
    assert found.profile == profile and found.exif is not None
    kept = Image.Exif()
    kept.load(found.exif)
    assert kept[ExifTags.Base.Copyright] == "Ada"


def test_a_burst_of_heic_is_said(tmp_path: Path) -> None:
    heif = needs("pillow_heif", "heif")
    burst = heif.from_pillow(Image.fromarray(CARD))
    burst.add_from_pillow(Image.fromarray(CARD[::-1].copy()))
    burst.save(tmp_path / "a.heic", quality=-1, chroma=444, matrix_coefficients=0)
    picture = open_picture(tmp_path / "a.heic")
    np.testing.assert_array_equal(picture.pixels, CARD)
    assert picture.notes == ("a.heic holds several pictures: the one that phones show is read",)


def test_without_pillow_heif_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"is HEIF.*edgematte\[heif\]"):
        open_picture(io.BytesIO(b"\0\0\0\x18ftypheic" + bytes(40)))
    with pytest.raises(PictureError, match=r"out.heic is HEIF.*edgematte\[heif\]"):
        edgematte.Matte(
            np.ones((2, 2), np.float32),
            np.ones((2, 2), np.uint8),
            {},
            0,
            {},
            open_picture(_plain(tmp_path / "a.png")),
        ).save(tmp_path / "out.heic")


def _plain(path: Path) -> Path:
    Image.fromarray(CARD[:2, :2]).save(path)
    return path


# Odd files


def test_animations_and_pages_are_said_and_one_bit_is_read(tmp_path: Path) -> None:
    first, second = Image.fromarray(CARD), Image.fromarray(CARD[::-1].copy())
    for name, said in (
        ("a.gif", "an animation: its first frame is read"),
        ("a.webp", "an animation: its first frame is read"),
        ("a.png", "an animation: its first frame is read"),
        ("a.tif", "several pages: the first one is read"),
    ):
        first.save(tmp_path / name, save_all=True, append_images=[second])
        assert open_picture(tmp_path / name).notes == (f"{name} holds {said}",)
    first.convert("1").save(tmp_path / "b.tif")
    found = open_picture(tmp_path / "b.tif")
    assert found.notes == () and set(np.unique(found.pixels)) == {0, 255}
