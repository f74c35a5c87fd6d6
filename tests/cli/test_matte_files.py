"""``edgematte matte`` and what files are made of: formats, transparency, profiles, trimaps."""

import io
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

import edgematte
from edgematte import testcard
from edgematte.arrays import Bytes
from edgematte.cli import main
from edgematte.pictures import alpha_bytes, composite, read_picture

Run = Callable[..., int]
Png = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def matte(tiny_bundle: Path) -> Run:
    """``edgematte matte`` with the tiny bundle."""
    return lambda *arguments: main(
        ["matte", *map(str, arguments), "--bundle", str(tiny_bundle), "--threads", "1"]
    )


@pytest.fixture
def alpha_of(tiny_bundle: Path) -> Callable[..., NDArray[np.float32]]:
    """What the Python API gives for the same pictures."""
    return lambda *arrays: edgematte.load(tiny_bundle, threads=1)(*arrays).alpha


def pixels(path: Path) -> Bytes:
    with Image.open(path) as image:
        return np.asarray(image)


def files(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


# What a format cannot carry


@pytest.mark.parametrize(
    ("output", "options", "reason", "other"),
    [
        ("x.webp", ("--write", "alpha", "--alpha-bits", "16"), "16 bits", ".tif"),
        ("x.gif", ("--write", "alpha", "--alpha-bits", "16"), "16 bits", ".png"),
        ("x.avif", ("--write", "alpha", "--alpha-bits", "16"), "16 bits", ".png"),
        ("x.gif", (), "alpha channel", ".webp"),
        ("x.bmp", (), "alpha channel", ".tif"),
        ("x.ppm", (), "alpha channel", ".png"),
        ("x.ppm", ("--write", "alpha"), "one grey channel", ".pgm"),
        ("x.jpg", ("--write", "trimap"), "values of a trimap", ".png"),
        ("x.jpg", ("--write", "alpha", "cutout"), "alpha channel", ".png"),
        ("x.pgm", ("--background", "white"), "has colours", ".ppm"),
    ],
)
def test_what_a_format_cannot_carry_is_refused_before_any_work(
    output: str,
    options: tuple[str, ...],
    reason: str,
    other: str,
    matte: Run,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    assert matte(tmp_path / "none.png", "-o", tmp_path / output, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()  # not that the picture is missing
    assert "cannot hold this picture" in line and reason in line and other in line


def test_sides_a_format_cannot_carry_are_refused_before_the_matte(
    matte: Run, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (16_384, 2)).save(tmp_path / "wide.png")
    monkeypatch.setattr(edgematte.Matter, "__call__", lambda *_, **__: 1 / 0)
    assert matte(tmp_path / "wide.png", "-o", tmp_path / "x.webp") == 2
    assert "sides may have 16383 pixels, not 16384" in capsys.readouterr().err


def test_every_kind_to_webp(
    matte: Run, png: Png, alpha_of: Callable[..., NDArray[np.float32]], tmp_path: Path
) -> None:
    assert matte(png(), "-o", tmp_path / "x.webp", "--write", "cutout", "alpha", "trimap") == 0
    wanted = alpha_bytes(alpha_of(read_picture(png())))
    np.testing.assert_array_equal(pixels(tmp_path / "x.webp")[..., 3], wanted)
    np.testing.assert_array_equal(pixels(tmp_path / "x-alpha.webp")[..., 0], wanted)
    assert set(np.unique(pixels(tmp_path / "x-trimap.webp"))) <= {0, 128, 255}


# Transparency of the source


@pytest.fixture
def erased(tmp_path: Path) -> Path:
    """A cut-out whose left third was cleared, with colours left below."""
    own = np.full((45, 60), 255, np.uint8)
    own[:, :20], own[:10, 20:] = 0, 128
    path = tmp_path / "erased.png"
    Image.fromarray(np.dstack([testcard.testcard(60, 45), own])).save(path)
    return path


@pytest.mark.parametrize("kind", ["cutout", "alpha"])
def test_what_was_erased_stays_erased(
    kind: str,
    matte: Run,
    erased: Path,
    alpha_of: Callable[..., NDArray[np.float32]],
    tmp_path: Path,
) -> None:
    plain = alpha_of(read_picture(erased))
    own = pixels(erased)[..., 3].astype(np.float32) / np.float32(255)
    ways: tuple[tuple[tuple[str, ...], NDArray[np.float32]], ...]
    ways = (((), plain * own), (("--ignore-alpha",), plain))
    for options, wanted in ways:
        out = tmp_path / f"out{len(options)}.png"
        assert matte(erased, "-o", out, "--write", kind, *options) == 0
        found = pixels(out)[..., 3] if kind == "cutout" else pixels(out)
        np.testing.assert_array_equal(found, alpha_bytes(wanted))
    assert (plain[:, :20] > 0).any()  # so that something was at stake


def test_what_was_erased_shows_the_new_background(matte: Run, erased: Path, tmp_path: Path) -> None:
    assert matte(erased, "-o", tmp_path / "o.png", "--background", "#00ff00") == 0
    assert (pixels(tmp_path / "o.png")[:, :20] == (0, 255, 0)).all()


def test_transparency_of_palettes_and_of_single_colours_counts(
    matte: Run, tmp_path: Path, capsys: Capture
) -> None:
    card = Image.fromarray(testcard.testcard(60, 45))
    few = card.quantize(8)
    few.save(tmp_path / "p.gif", transparency=few.getpixel((0, 0)))
    one = Image.new("RGB", (60, 45), (250, 250, 250))
    one.paste((1, 2, 3), (0, 0, 30, 45))
    one.save(tmp_path / "c.png", transparency=(250, 250, 250))
    for name in ("p.gif", "c.png"):
        with Image.open(tmp_path / name) as image:
            clear = np.asarray(image.convert("RGBA"))[..., 3] == 0
        assert clear.any()
        assert matte(tmp_path / name, "-o", tmp_path / "o.png") == 0
        assert (pixels(tmp_path / "o.png")[clear] == 0).all()
    assert capsys.readouterr().err == ""


def test_from_standard_input_too(
    matte: Run,
    erased: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(erased.read_bytes())))
    assert matte("-", "-o", "-") == 0
    with Image.open(io.BytesIO(capfdbinary.readouterr().out)) as image:
        assert (np.asarray(image)[:, :20] == 0).all()


def test_a_cutout_tells_nothing_of_the_background(
    matte: Run, png: Png, tmp_path: Path, tiny_bundle: Path
) -> None:
    """White is foreground of the tiny bundle, black is background: alpha 0 there."""
    picture = np.full((45, 60, 3), 255, np.uint8)
    picture[:, :30] = (9, 8, 7)
    Image.fromarray(picture).save(tmp_path / "a.png")
    for options, kept in (((), False), (("--keep-colour",), True), (("--foreground",), False)):
        assert matte(tmp_path / "a.png", "-o", tmp_path / "o.png", *options) == 0
        found = pixels(tmp_path / "o.png")
        hidden = found[..., 3] == 0
        assert hidden.any() and not hidden.all()
        assert (found[hidden, :3] == ((9, 8, 7) if kept else 0)).all()


@pytest.mark.parametrize("options", [("--write", "alpha"), ("--background", "white")])
def test_colours_can_be_kept_in_transparent_cutouts_alone(
    options: tuple[str, ...], matte: Run, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    assert matte(png(), "-o", tmp_path / "o.png", "--keep-colour", *options) == 2
    assert "--keep-colour needs a cutout with transparency" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--write", "alpha"), ("--background", "white")])
def test_colours_can_be_kept_in_transparent_clips_alone(
    options: tuple[str, ...], tmp_path: Path, capsys: Capture
) -> None:
    command = ["matte", str(tmp_path / "none.mp4"), "-o", str(tmp_path / "o.mov"), *options]
    assert main([*command, "--keep-colour"]) == 2
    assert "--keep-colour needs a cutout with transparency" in capsys.readouterr().err


# Trimap files


def test_trimaps_of_16_bits_and_in_alpha_channels(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    trimap = np.zeros((45, 60), np.uint8)
    trimap[:, 20:40], trimap[:, 40:] = 128, 255
    Image.fromarray(trimap.astype(np.uint16)).save(tmp_path / "deep.png")
    held = np.dstack([np.zeros((45, 60, 3), np.uint8), trimap])
    Image.fromarray(held).save(tmp_path / "held.png")
    for name in ("deep.png", "held.png"):
        out = tmp_path / "o.png"
        assert matte(png(), "-o", out, "--trimap", tmp_path / name, "--write", "trimap") == 0
        np.testing.assert_array_equal(pixels(out), trimap)
    assert capsys.readouterr().err == ""


def test_a_trimap_of_labels_is_one_sentence(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    Image.fromarray((np.arange(2700) % 3).astype(np.uint8).reshape(45, 60)).save(tmp_path / "t.png")
    assert matte(png(), "-o", tmp_path / "o.png", "--trimap", tmp_path / "t.png") == 2
    assert "values of 0 to 2 alone: a trimap has 0 for background" in capsys.readouterr().err


def test_a_trimap_beside_a_picture_that_was_turned(
    matte: Run, tmp_path: Path, capsys: Capture
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    trimap = np.zeros((50, 50), np.uint8)
    trimap[:25] = 128
    Image.fromarray(trimap).save(tmp_path / "t.png")
    Image.fromarray(testcard.testcard(50, 50)).save(tmp_path / "a.jpg", exif=exif)
    picture, out = tmp_path / "a.jpg", tmp_path / "o.png"
    assert matte(picture, "-o", out, "--trimap", tmp_path / "t.png") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "t.png: its picture was turned upright" in line


# Folders


def test_a_folder_of_other_kinds_of_pictures(matte: Run, tmp_path: Path, capsys: Capture) -> None:
    """And with what a Mac, a camera and a person leave beside them."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for ending in ("avif", "jfif", "mpo", "jp2"):
        Image.fromarray(testcard.testcard(60, 45)).save(folder / f"{ending}.{ending}")
    (folder / "._jfif.jfif").write_bytes(struct.pack(">II", 0x00051607, 0x00020000) + bytes(70))
    (folder / ".DS_Store").touch()
    (folder / "raw.cr3").touch()
    (folder / "notes.txt").touch()
    assert matte(folder, "-o", out) == 0
    assert files(out) == ["avif.png", "jfif.png", "jp2.png", "mpo.png"]
    (line,) = capsys.readouterr().err.splitlines()
    assert "3 files are left out, by name no pictures: ._jfif.jfif, notes.txt, raw.cr3" in line


def test_a_picture_with_odd_metadata_is_matted_with_a_warning(
    matte: Run, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(testcard.testcard(60, 45)).save(path, exif=b"Exif\0\0rubbish rubbish")
    shutil.copy(path, tmp_path / "behind.jpg")
    assert matte(path, "-o", tmp_path / "o.png", "--background", tmp_path / "behind.jpg") == 0
    first, second = sorted(capsys.readouterr().err.splitlines())
    assert first.startswith("edgematte: a.jpg: its EXIF cannot be read")
    assert second.startswith("edgematte: behind.jpg: its EXIF cannot be read")


def test_a_warning_of_the_library_is_one_line_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(testcard.testcard(60, 45)).save(path, exif=b"Exif\0\0rubbish rubbish")
    command = ["bench", "--picture", str(path), "--runs", "1", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "edgematte", *command], capture_output=True, text=True
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 0 and line.startswith("edgematte: a.jpg: its EXIF cannot be read")


# Profiles


def test_a_profile_goes_with_the_colours(matte: Run, png: Png, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = tmp_path / "a.png"
    Image.fromarray(testcard.testcard(60, 45)).save(source, icc_profile=profile)
    for name, options in (
        ("a-cut.png", ()),
        ("b.webp", ()),
        ("c.jpg", ("--background", "white")),
        ("d.png", ("--write", "alpha")),
    ):
        assert matte(source, "-o", tmp_path / name, *options) == 0
        with Image.open(tmp_path / name) as image:
            found = image.info.get("icc_profile")
        assert found == (None if name == "d.png" else profile)


def test_a_background_in_a_picture_without_a_profile_stays_as_it_was(
    matte: Run, png: Png, alpha_of: Callable[..., NDArray[np.float32]], tmp_path: Path
) -> None:
    assert matte(png(), "-o", tmp_path / "o.png", "--background", png("b.png", 60, 45)) == 0
    picture = read_picture(png())
    wanted = composite(picture, alpha_of(picture), read_picture(tmp_path / "b.png"), linear=True)
    np.testing.assert_array_equal(pixels(tmp_path / "o.png"), wanted)
