"""Every ending that Pillow can write: what is written reads back right, or is refused."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgematte.errors import OptionError, PictureError
from edgematte.pictures import encode, heif, open_picture, write_picture
from edgematte.pictures.formats import (
    ALL,
    EXR,
    FORMATS,
    Format,
    mode_of,
    refuse_unfit,
    row_named,
    row_of,
    written,
)

Image.init()
with suppress(PictureError):  # where it is installed
    heif.register("a")
WRITABLE = sorted(e for e, kind in Image.registered_extensions().items() if kind in Image.SAVE)

HEIGHT, WIDTH = 48, 64
X, Y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
RAMP = (X * 255 // (WIDTH - 1)).astype(np.uint8)
COLOUR = np.stack([RAMP, Y * 255 // (HEIGHT - 1), (X + Y) * 2], axis=2).astype(np.uint8)
HIDDEN = np.where(RAMP[..., None] > 0, COLOUR, 0).astype(np.uint8)
ARRAYS: dict[str, NDArray[Any]] = {
    "grey": RAMP,
    "grey16": (X * 65535 // (WIDTH - 1)).astype(np.uint16),
    "trimap": np.choose(X // 22, [0, 128, 255]).astype(np.uint8),
    "colour": COLOUR,
    "cutout": np.dstack([HIDDEN, RAMP]),
}
# Mean levels that a smooth picture loses: JPEG, WebP and AVIF keep one chroma value for up to four
# pixels and round what they keep; GIF has 256 colours, 16 levels apart at the worst.
LOSS = {"JPEG": 3.0, "MPO": 3.0, "WEBP": 3.0, "AVIF": 2.0, "HEIF": 2.0, "GIF": 8.0}


def carried(ending: str, mode: str) -> bool:
    try:
        refuse_unfit(row_of(Path(f"a{ending}")), mode)
    except OptionError:
        return False
    return True


@pytest.mark.parametrize("mode", ALL)
@pytest.mark.parametrize("ending", WRITABLE)
def test_what_is_written_reads_back_right_or_is_refused(
    ending: str, mode: str, tmp_path: Path
) -> None:
    array, path = ARRAYS[mode], tmp_path / f"a{ending}"
    try:
        refuse_unfit(row_of(path), mode)
        write_picture(array, path)
    except OptionError as error:
        assert ".png" in str(error) and not list(tmp_path.iterdir())
        return
    with Image.open(path) as image:
        loss = LOSS.get(image.format or "", 0.0) if mode != "trimap" else 0.0
        if mode == "grey16":
            found = np.asarray(image)
        else:
            kind = {"colour": "RGB", "cutout": "RGBA"}.get(mode, "L")
            found = np.asarray(image.convert(kind))
    assert found.shape == array.shape
    if mode == "cutout":
        np.testing.assert_array_equal(found[..., 3], array[..., 3])
        found, array = found[..., :3], array[..., :3]
    assert np.abs(found.astype(float) - array).mean() <= loss


def test_the_table_neither_refuses_everything_nor_takes_everything() -> None:
    table = {row.endings[0]: row.holds for row in FORMATS}
    assert set(table[".png"]) == {*ALL, "colour16", "cutout16"}
    assert set(table[".tif"]) == {*table[".png"], "grey32"}
    assert set(table[".webp"]) == {"grey", "trimap", "colour", "cutout"}
    for ending in (".jpg", ".bmp", ".ppm", ".gif"):
        assert "cutout" not in table[ending] and "colour" in table[ending]
    for ending in (".webp", ".gif", ".jpg"):
        assert "grey16" not in table[ending]
    assert set(table[".jpg"]) == {"grey", "colour"}  # a trimap's values would be blurred
    assert sum(carried(e, "cutout") for e in WRITABLE) >= 8


def test_the_page_says_what_the_table_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pictures.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| .")]
    assert [cells[0].split() for cells in rows] == [list(row.endings) for row in FORMATS]
    for (_, *cells, deep, side, profile), row in zip(rows, FORMATS, strict=True):
        light = "32" if row.name == EXR else ""
        modes = ("grey", "grey16", "grey32", "trimap", f"colour{light}", f"cutout{light}")
        held = {m for m, cell in zip(modes, cells, strict=True) if cell != "-"}
        held |= {"colour16", "cutout16"} if deep != "-" else set()
        assert deep == "-" or int(deep.split(", ")[-1]) == row.bits
        assert held == {*row.holds}
        assert side == str(row.side_px or "any")
        coloured = bool({"colour", "cutout", "colour32"} & {*row.holds})
        assert profile == ("kept" if row.profile else "converted" if coloured else "-")
        for mode, cell in zip(modes, cells, strict=True):
            if not light and written(row):
                assert (cell == "lossy") == (mode in row.holds and loses(row, mode))
            assert (cell == "light") == (mode in ("colour32", "cutout32") and mode in row.holds)


def loses(row: Format, mode: str) -> bool:
    """Whether a random picture of a mode comes back otherwise than it went."""
    random = np.random.default_rng(0)
    shape = {"colour": (20, 20, 3), "cutout": (20, 20, 4)}.get(mode, (20, 20))
    array = random.integers(0, 65536, shape).astype(np.uint16 if mode == "grey16" else np.uint8)
    if mode == "grey32":
        array = array.astype(np.float32) / 255
    with Image.open(io.BytesIO(encode(array, row.name))) as image:
        kind = {"colour": "RGB", "cutout": "RGBA"}.get(mode, "L")
        found = np.asarray(image if mode in ("grey16", "grey32") else image.convert(kind))
    return not np.array_equal(found, array)


@pytest.mark.parametrize("mode", ALL)
@pytest.mark.parametrize("ending", [".jpg", ".gif", ".pgm", ".webp", ".qoi"])
def test_the_formats_a_refusal_names_can(ending: str, mode: str) -> None:
    if carried(ending, mode):
        return
    with pytest.raises(OptionError, match="cannot hold this picture") as caught:
        refuse_unfit(row_of(Path(f"a{ending}")), mode)
    named = str(caught.value).split("write ")[1].split(", ")
    assert named[0] == ".png" and ending not in named
    for other in named:
        write = encode(ARRAYS[mode], row_of(Path(f"a{other}")).name)
        assert open_picture(io.BytesIO(write)).pixels.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    "row", {r.name: r for r in FORMATS[::-1]}.values(), ids=lambda row: row.name
)
@pytest.mark.parametrize("upright", [False, True])
def test_sides_up_to_the_longest_read_back_and_longer_ones_are_refused(
    row: Any, upright: bool
) -> None:
    if row.name == EXR:
        pytest.skip("of light: tests/pictures/test_depths.py")
    if row.name not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {row.name}")
    side = row.side_px or 70_000  # beyond what 16 bits count
    mode = "colour" if "colour" in row.holds else "grey"
    strip: NDArray[Any] = np.zeros((64 if row.name == "HEIF" else 1, side), np.uint8)
    strip[:, -1] = 255  # x265 encodes no strips that are thin and long
    strip = strip.T if upright else strip
    array = np.ascontiguousarray(np.repeat(strip[..., None], 3, axis=2))
    with Image.open(io.BytesIO(encode(array, row.name))) as image:
        found = np.asarray(image.convert("L"))
    assert found.shape == strip.shape
    assert found.reshape(-1)[-1] > 200 and found.reshape(-1)[0] < 50  # lossy formats: both ends
    if row.side_px is not None:
        with pytest.raises(OptionError, match=f"may have {side} pixels, not {side + 1}"):
            refuse_unfit(row, mode, (1, side + 1))
        with pytest.raises(OptionError, match=f"{row.name} cannot hold this picture"):
            encode(np.zeros((1, side + 1, 3), np.uint8), row.name)


def test_colours_under_alpha_0_are_written_as_given() -> None:
    """A cut-out that keeps colours for compositors keeps them in WebP too, near enough."""
    array = np.dstack([COLOUR, np.zeros((HEIGHT, WIDTH), np.uint8)])
    for kind, most in (("PNG", 0.0), ("WEBP", LOSS["WEBP"]), ("AVIF", LOSS["AVIF"])):
        with Image.open(io.BytesIO(encode(array, kind))) as image:
            found = np.asarray(image.convert("RGBA")).astype(float)
        assert np.abs(found[..., :3] - COLOUR).mean() <= most


@pytest.mark.parametrize("shape", [(4, 5, 2), (4, 5, 1), (4,), (1, 4, 5, 3)])
def test_an_array_that_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match="a picture to write should be uint8"):
        mode_of(np.zeros(shape, np.uint8))
    with pytest.raises(OptionError, match="not float64"):
        encode(np.zeros((4, 5)), "PNG")
    with pytest.raises(OptionError, match=r"its values are floats\); write \.tif"):
        encode(np.zeros((4, 5), np.float32), "PNG")


def test_a_format_that_is_not_in_the_table() -> None:
    with pytest.raises(OptionError, match="not written as 'PDF'"):
        row_named("PDF")
