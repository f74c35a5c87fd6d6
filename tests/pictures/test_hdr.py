"""HDR stills: their values as light, and what nets see of them."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgematte
from edgematte import testcard
from edgematte.cli import main
from edgematte.errors import OptionError
from edgematte.pictures import composite, encode, open_picture
from edgematte.pictures.hdr import BT2020, Coding, coding_of, light_of
from edgematte.pictures.primaries import to_srgb

CARD = testcard.testcard(60, 45)
PQ, HLG = Coding(9, 16), Coding(9, 18)


def test_levels_that_bt_2408_names() -> None:
    """Diffuse white, 203 nits, is 58 % of PQ and 75 % of HLG; black is black."""
    for coding, white in ((PQ, 0.58), (HLG, 0.75)):
        values = np.array([0, white * 65535], np.uint16)[:, None, None].repeat(3, axis=2)
        black, found = light_of(values, coding)[:, 0, 0]
        assert black == pytest.approx(0, abs=1e-6)
        assert found == pytest.approx(1, abs=0.02)  # the percentages are rounded
    top = np.full((1, 1, 3), 65535, np.uint16)
    assert light_of(top, PQ).max() == pytest.approx(10_000 / 203, rel=1e-3)
    assert light_of(top, HLG).max() == pytest.approx(1000 / 203, rel=1e-3)


def test_the_published_matrix_of_bt_2020() -> None:
    """ITU-R BT.2407, annex 2."""
    published = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    np.testing.assert_allclose(to_srgb(BT2020), published, atol=2e-4)


def avif(path: Path, transfer: int) -> Path:
    """A picture whose file says that its values are of a transfer."""
    stream = io.BytesIO()
    Image.fromarray(CARD).save(stream, "AVIF", quality=100, subsampling="4:4:4")
    data = bytearray(stream.getvalue())
    place = data.find(b"colrnclx")
    assert place > 0  # the premise
    struct.pack_into(">HH", data, place + 8, 9, transfer)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("transfer", "said"), [(16, "HDR (PQ)"), (18, "HDR (HLG)")])
def test_an_hdr_still_is_seen_by_the_curve_and_said(
    transfer: int, said: str, tmp_path: Path
) -> None:
    plain = open_picture(avif(tmp_path / "plain.avif", 13))
    assert plain.coding is None and plain.notes == () and plain.seen is plain.pixels
    found = open_picture(avif(tmp_path / "a.avif", transfer))
    assert found.coding == Coding(9, transfer)
    (note,) = found.notes
    assert note.startswith(f"a.avif is {said}: the net sees it by one tone curve")
    np.testing.assert_array_equal(found.pixels, plain.pixels)  # values are kept
    assert (found.seen != found.pixels).any() and found.seen.dtype == np.uint8


def test_cutouts_keep_hdr_and_composites_are_as_nets_see(tiny_bundle: Path, tmp_path: Path) -> None:
    source = avif(tmp_path / "a.avif", 16)
    picture = open_picture(source)
    for name, options in (("cut.png", ()), ("on.png", ("--background", "white"))):
        line = ["matte", str(source), "-o", str(tmp_path / name), "--bundle", str(tiny_bundle)]
        assert main([*line, "--threads", "1", *options]) == 0
    data = (tmp_path / "cut.png").read_bytes()
    place = data.index(b"cICP")
    assert tuple(data[place + 4 : place + 8]) == (9, 16, 0, 1)
    cut = open_picture(tmp_path / "cut.png")
    assert cut.alpha is not None
    np.testing.assert_array_equal(cut.pixels[cut.alpha > 0], picture.pixels[cut.alpha > 0])
    assert b"cICP" not in (tmp_path / "on.png").read_bytes()
    matte = edgematte.load(tiny_bundle, threads=1)(source)
    wanted = composite(picture.seen, matte.alpha, np.full(3, 255, np.uint8), linear=True)
    np.testing.assert_array_equal(open_picture(tmp_path / "on.png").pixels, wanted)
    np.testing.assert_array_equal(np.asarray(matte.composite("white")), wanted)
    matte.save(tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == data
    with pytest.raises(OptionError, match=r"WEBP cannot say that values are HDR \(PQ\)"):
        encode(picture.pixels, "WEBP", coding=picture.coding)


def test_what_says_nothing_is_no_hdr() -> None:
    for data in (b"", b"colrnclx", b"colrnclx\0\x01\0\x0d\0\0"):
        assert coding_of(data) is None
