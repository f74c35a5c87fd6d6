"""EXIF that is kept on request: without orientation, thumbnails and makers' notes."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

from edgematte import testcard
from edgematte.cli import main
from edgematte.errors import OptionError
from edgematte.pictures import encode, open_picture

CARD = testcard.testcard(60, 40)
KEEPING = ["png", "jpg", "webp", "avif", "tif"]


def photo(path: Path, orientation: int = 6) -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Copyright] = "Ada"
    exif[ExifTags.IFD.Exif] = {0xA002: 60, 0xA003: 40, 0x829A: 0.01, 0x927C: b"maker's own"}
    exif[ExifTags.IFD.GPSInfo] = {1: "N"}
    Image.fromarray(CARD).save(path, exif=exif.tobytes())
    return path


def exif_in(data: bytes) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    with Image.open(io.BytesIO(data)) as image:
        found = image.getexif()
        tables = [dict(found.get_ifd(t)) for t in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)]
        return dict(found), tables[0], tables[1]


@pytest.mark.parametrize("ending", KEEPING)
def test_every_format_that_holds_a_profile_holds_exif(ending: str, tmp_path: Path) -> None:
    picture = open_picture(photo(tmp_path / "a.jpg"))
    kind = {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending)
    first, exif, gps = exif_in(encode(picture.pixels, kind, exif=picture.exif))
    assert first[ExifTags.Base.Copyright] == "Ada" and gps[1] == "N"
    assert first.get(ExifTags.Base.Orientation, 1) == 1  # it is applied: once is enough
    assert float(exif[0x829A]) == 0.01 and 0x927C not in exif
    assert (exif[0xA002], exif[0xA003]) == (40, 60)  # as it is shown


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "avif", "tif"])
def test_exif_of_every_format_is_read(ending: str, tmp_path: Path) -> None:
    picture = open_picture(photo(tmp_path / f"a.{ending}"))
    assert picture.pixels.shape == (60, 40, 3) and picture.exif is not None
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept[ExifTags.Base.Copyright] == "Ada"


def test_what_holds_none(tmp_path: Path) -> None:
    assert open_picture(_plain(tmp_path / "a.png")).exif is None
    with pytest.raises(OptionError, match=r"BMP holds no EXIF; write \.png, \.tif"):
        encode(CARD, "BMP", exif=b"Exif\0\0")


def _plain(path: Path) -> Path:
    Image.fromarray(CARD).save(path)
    return path


def test_exif_is_kept_on_request_alone(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def matte(*arguments: str) -> int:
        source = str(photo(tmp_path / "a.jpg"))
        return main(["matte", source, "--bundle", str(tiny_bundle), "--threads", "1", *arguments])

    out = tmp_path / "out.png"
    assert matte("-o", str(out)) == 0
    assert exif_in(out.read_bytes())[0] == {}
    assert matte("-o", str(out), "--keep-exif", "--write", "cutout", "alpha") == 0
    first, _, gps = exif_in(out.read_bytes())
    assert first[ExifTags.Base.Copyright] == "Ada" and gps[1] == "N"
    assert ExifTags.Base.Orientation not in first
    assert exif_in((tmp_path / "out-alpha.png").read_bytes())[0] == {}
    capsys.readouterr()
    for options, said in (
        (("-o", "x.tga", "--keep-exif"), "TGA holds no EXIF"),
        (("-o", "x.png", "--keep-exif", "--write", "alpha"), "--keep-exif needs a cutout"),
    ):
        assert matte(*options) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("premultiplied", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_tiff_written_by_tifffile_holds_exif(
    deep: bool, premultiplied: bool, tmp_path: Path
) -> None:
    """16 bits a channel, and premultiplied colours, which Pillow does not write."""
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    given = open_picture(photo(tmp_path / "a.jpg"))
    pixels = np.dstack([given.pixels, given.pixels[..., :1]])
    array = pixels.astype(np.uint16) * 257 if deep else pixels
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    told: dict[str, Any] = {"premultiplied": premultiplied}
    data = encode(array, "TIFF", profile, exif=given.exif, **told)
    first, exif, gps = exif_in(data)
    assert first[ExifTags.Base.Copyright] == "Ada" and gps[1] == "N"
    assert float(exif[0x829A]) == 0.01 and (exif[0xA002], exif[0xA003]) == (40, 60)
    plain, kept = (encode(array, "TIFF", profile, exif=e, **told) for e in (None, given.exif))
    files = [tifffile.TiffFile(io.BytesIO(one)) for one in (plain, kept)]
    pages = [file.pages[0] for file in files]
    np.testing.assert_array_equal(pages[1].asarray(), pages[0].asarray())
    assert len(files[1].pages) == 1 and pages[1].iccprofile == profile
    where = TiffImagePlugin.STRIPOFFSETS
    own = {tag.code: tag.value for tag in pages[0].tags if tag.code != where}
    assert {tag.code: tag.value for tag in pages[1].tags if tag.code in own} == own
    found = open_picture(io.BytesIO(data))
    assert found.notes == () and found.exif is not None and found.profile == profile
    if deep and not premultiplied:
        assert found.alpha is not None
        np.testing.assert_array_equal(np.dstack([found.colours, found.alpha]), array)


def test_damaged_exif_is_none(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png")
    data = path.read_bytes()
    at = data.index(b"eXIf") + 4
    path.write_bytes(data[:at] + b"XX" + data[at + 2 :])
    assert open_picture(path).exif is None
