"""Which files of a folder are taken for pictures."""

from pathlib import Path

import pytest
from PIL import Image

from edgematte import testcard
from edgematte.calibration.pictures import calibration_set
from edgematte.pictures import read_picture
from edgematte.pictures.folders import picture_endings, sort_files

COMMON = {"png", "jpg", "jpeg", "jfif", "webp", "avif", "mpo", "jp2", "bmp", "tif", "tiff", "gif"}


def test_what_is_written_with_an_ending_that_is_taken_can_be_read(tmp_path: Path) -> None:
    Image.init()
    image = Image.fromarray(testcard.testcard(40, 30))
    for ending in sorted(picture_endings() - {".exr", ".heic", ".heif"}):  # of extras
        kind = Image.registered_extensions()[ending]
        if kind not in Image.SAVE or kind in ("BLP", "MSP", "XBM", "ICO", "ICNS"):
            continue  # of other modes or sizes than this picture's
        image.save(tmp_path / f"a{ending}", kind)
        assert read_picture(tmp_path / f"a{ending}").shape == (30, 40, 3)
    assert {f".{e}" for e in COMMON} <= picture_endings()


def test_no_ending_is_taken_that_is_not_a_picture() -> None:
    wrong = {".txt", ".mp4", ".mpg", ".pdf", ".h5", ".hdf", ".grib", ".npy", ".eps", ""}
    assert not wrong & picture_endings()


def test_hidden_files_are_left_out_and_named_where_they_look_like_pictures(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.avif", "._b.JPG", ".DS_Store", "notes.txt", "c.heic", "d.heif.part"):
        (tmp_path / name).touch()
    (tmp_path / "d.png").mkdir()
    taken, left = sort_files(tmp_path.iterdir())
    assert [f.name for f in taken] == ["a.avif", "b.JPG", "c.heic"]
    assert [f.name for f in left] == ["._b.JPG", "d.heif.part", "notes.txt"]


def test_calibration_takes_the_same_files(tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    deep.mkdir()
    for number, name in enumerate(("a.avif", "b.jfif", "deep/c.jp2")):
        Image.fromarray(testcard.testcard(40 + number, 30)).save(tmp_path / name)
    (tmp_path / "._a.avif").write_bytes(b"\x00\x05\x16\x07" + bytes(60))
    with pytest.warns(UserWarning, match="calibrating with 3 pictures"):
        found = calibration_set(tmp_path)
    assert len(found.calibrating) + len(found.held_out) == 3 and not found.skipped
