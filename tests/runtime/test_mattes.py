"""What a matte makes of itself: cut-outs, files, composites, the subject's own colours."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

import edgematte
from edgematte import testcard
from edgematte.arrays import Bytes
from edgematte.errors import OptionError, PictureError
from edgematte.pictures import composite, cutout, read_cutout
from edgematte.runtime.host.foreground import estimate_foreground

CARD = testcard.testcard(80, 60)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def matte(tiny_bundle: Path) -> edgematte.Matte:
    return edgematte.load(tiny_bundle, threads=1)(CARD)


def array(image: Image.Image) -> Bytes:
    return np.asarray(image)


def test_the_cutout_as_an_image_and_as_a_file(matte: edgematte.Matte, tmp_path: Path) -> None:
    assert ((matte.alpha > 0) & (matte.alpha < 1)).any()  # the premise
    wanted = cutout(CARD, matte.alpha)
    assert matte.image().mode == "RGBA"
    np.testing.assert_array_equal(array(matte.image()), wanted)
    kept = array(matte.image(keep_colour=True))
    np.testing.assert_array_equal(kept[..., :3], CARD)
    matte.save(tmp_path / "a.png")
    matte.save(str(tmp_path / "b.webp"), foreground=True)
    np.testing.assert_array_equal(read_cutout(tmp_path / "a.png"), wanted)
    clear = array(matte.image(foreground=True))
    np.testing.assert_array_equal(read_cutout(tmp_path / "b.webp"), clear)
    with pytest.raises(OptionError, match="JPEG cannot hold this picture"):
        matte.save(tmp_path / "c.jpg")
    assert sorted(f.name for f in tmp_path.iterdir() if f.is_file()) == ["a.png", "b.webp"]


def test_the_foreground_is_estimated_once(matte: edgematte.Matte) -> None:
    np.testing.assert_array_equal(matte.foreground, estimate_foreground(CARD, matte.alpha))
    assert matte.foreground is matte.foreground
    found = array(matte.image(foreground=True, keep_colour=True))
    np.testing.assert_array_equal(found[..., :3], matte.foreground)


def test_a_background_in_every_form(matte: edgematte.Matte, tmp_path: Path) -> None:
    blue = np.array([0, 0, 255], np.uint8)
    wanted = composite(CARD, matte.alpha, blue, linear=True)
    whole = np.broadcast_to(blue, (90, 80, 3))
    Image.fromarray(np.ascontiguousarray(whole)).save(tmp_path / "blue.png")
    names = ("blue", "#0000ff", str(tmp_path / "blue.png"))
    for background in (*names, (0, 0, 255), whole, tmp_path / "blue.png"):
        found = matte.composite(background)
        assert found.mode == "RGB"
        np.testing.assert_array_equal(array(found), wanted)
    old = array(matte.composite("blue", gamma=True))
    np.testing.assert_array_equal(old, composite(CARD, matte.alpha, blue))
    assert (old != wanted).any()
    with pytest.raises(OptionError, match="neither a colour"):
        matte.composite("grenn")
    with pytest.raises(OptionError, match="channel 300"):
        matte.composite((300, 0, 0))
    with pytest.raises(OptionError, match="has 2 channels"):
        matte.composite((3, 0))  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(PictureError, match="float64"):
        matte.composite(np.zeros((4, 4, 3)))


def test_a_profile_goes_with_the_image(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(CARD).save(path, icc_profile=SRGB)
    matte = edgematte.load(tiny_bundle, threads=1)(path)
    for image in (matte.image(), matte.composite("white")):
        assert image.info["icc_profile"] == SRGB
    matte.save(tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as saved:
        assert saved.info["icc_profile"] == SRGB


def test_a_matte_made_by_hand_says_what_it_lacks() -> None:
    matte = edgematte.Matte(np.ones((2, 2), np.float32), np.zeros((2, 2), np.uint8), {})
    with pytest.raises(OptionError, match="made without its picture"):
        matte.image()
