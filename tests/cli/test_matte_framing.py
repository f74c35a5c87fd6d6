"""``edgematte matte --crop``, ``--margin``, ``--size``."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgematte.cli import main

Png = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def trimap(png: Png, tmp_path: Path) -> Path:
    """A trimap of a 60x45 picture without unknown pixels: rows 10 to 19, columns 20 to 49."""
    values = np.zeros((45, 60), np.uint8)
    values[10:20, 20:50] = 255
    Image.fromarray(values).save(tmp_path / "trimap.png")
    return tmp_path / "trimap.png"


@pytest.fixture
def matte(tiny_bundle: Path, trimap: Path) -> Callable[..., int]:
    given = ["--bundle", str(tiny_bundle), "--trimap", str(trimap), "--threads", "1", "--quiet"]
    return lambda *arguments: main(["matte", *map(str, arguments), *given])


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def test_results_show_the_subject_and_say_where_it_lay(
    matte: Callable[..., int], png: Png, tmp_path: Path, capsys: Capture
) -> None:
    arguments = [png(), "-o", tmp_path / "out", "--write", "cutout", "alpha"]
    assert matte(*arguments, "--crop", "--margin", "2", "--json") == 0
    (done,) = json.loads(capsys.readouterr().out)["done"]
    assert done["box"] == [18, 8, 52, 22] and done["size"] == [60, 45]
    cut = np.asarray(opened(tmp_path / "out" / "picture.png"))
    assert cut.shape == (14, 34, 4)
    picture = np.asarray(opened(png()).convert("RGB"))
    np.testing.assert_array_equal(cut[2:-2, 2:-2, :3], picture[10:20, 20:50])
    assert opened(tmp_path / "out" / "picture-alpha.png").size == (34, 14)


def test_a_size_is_filled_with_nothing_or_with_the_background(
    matte: Callable[..., int], png: Png, tmp_path: Path
) -> None:
    assert matte(png(), "-o", tmp_path / "a.png", "--crop", "--size", "64") == 0
    assert opened(tmp_path / "a.png").size == (64, 64)
    assert np.asarray(opened(tmp_path / "a.png"))[0, 0].tolist() == [0, 0, 0, 0]
    blue = ["--background", "#0000ff", "--size", "90x45"]
    assert matte(png(), "-o", tmp_path / "b.jpg", *blue) == 0
    assert opened(tmp_path / "b.jpg").size == (90, 45)
    assert np.asarray(opened(tmp_path / "b.jpg"))[20, 4, 2] > 250


@pytest.mark.parametrize(
    ("extra", "part"),
    [
        (["--margin", "4"], "--margin is around the subject's box: give --crop with it"),
        (["--crop", "--margin", "wide"], "--margin 'wide' should be pixels or a share"),
        (["--size", "0x4"], "--size 0: a whole number of pixels from 1 to 16384"),
        (["--size", "4:3"], "--size '4:3' should be a number or WIDTHxHEIGHT"),
    ],
)
def test_what_has_no_meaning_is_refused_before_any_work(
    matte: Callable[..., int],
    png: Png,
    tmp_path: Path,
    capsys: Capture,
    extra: list[str],
    part: str,
) -> None:
    assert matte(png(), "-o", tmp_path / "o.png", *extra) == 2
    err = capsys.readouterr().err
    assert part in err and len(err.splitlines()) == 1
    assert not (tmp_path / "o.png").exists()


def test_a_picture_without_a_subject_is_one_line(
    matte: Callable[..., int], png: Png, trimap: Path, tmp_path: Path, capsys: Capture
) -> None:
    Image.fromarray(np.zeros((45, 60), np.uint8)).save(trimap)
    assert matte(png(), "-o", tmp_path / "o.png", "--crop") == 2
    assert "no subject was found to crop to" in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()
