"""``edgematte trimap``: what its users see."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgematte
from edgematte.cli import main
from edgematte.pictures import read_mask

Capture = pytest.CaptureFixture[str]
Png = Callable[..., Path]


def disc(height: int = 45, width: int = 60) -> NDArray[np.uint8]:
    down, across = np.mgrid[:height, :width]
    inside = np.hypot(down - height / 2, across - width / 2) < height / 3
    mask: NDArray[np.uint8] = inside.astype(np.uint8) * np.uint8(255)
    return mask


def save(path: Path, mask: NDArray[Any], mode: str | None = None, **options: Any) -> Path:
    image = Image.fromarray(mask)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def run(*arguments: object) -> int:
    return main(["trimap", *map(str, arguments)])


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def one_line(capture: Capture, *parts: str) -> None:
    out, err = capture.readouterr()
    assert not out and len(err.splitlines()) == 1 and err.startswith("edgematte: ")
    for part in parts:
        assert part in err


def test_of_the_masks_own_size(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "new" / "t.png"
    assert run(save(tmp_path / "m.png", disc()), "-o", out) == 0
    np.testing.assert_array_equal(pixels(out), edgematte.trimap_from_mask(disc(), (60, 45)))
    assert capsys.readouterr() == (f"{out}\n", "")


def test_of_the_pictures_size_with_a_band_inverted_and_stretched(png: Png, tmp_path: Path) -> None:
    mask, out = save(tmp_path / "m.png", disc(40, 40)), tmp_path / "t.png"
    picture = png("p.png", 120, 90)
    given = ("--image", picture, "--band", 5, "--invert-mask", "--fit-mask")
    assert run(mask, "-o", out, *given) == 0
    wanted = edgematte.trimap_from_mask(disc(40, 40), (120, 90), 5, fit=True, invert=True)
    np.testing.assert_array_equal(pixels(out), wanted)
    assert wanted[0, 0] == 255 and wanted[45, 60] == 0


def test_as_json(tmp_path: Path, capsys: Capture) -> None:
    mask, out = save(tmp_path / "m.png", disc()), tmp_path / "t.png"
    assert run(mask, "-o", out, "--band", 3, "--json") == 0
    unknown = float((edgematte.trimap_from_mask(disc(), (60, 45), 3) == 128).mean())
    assert json.loads(capsys.readouterr().out) == {
        "mask": str(mask),
        "result": str(out),
        "size": [60, 45],
        "unknown": round(unknown, 4),
    }
    assert run(mask, "-o", "-", "--json") == 2
    one_line(capsys, "--json and -o - both want standard output")


def test_to_standard_output(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(save(tmp_path / "m.png", disc()), "-o", "-") == 0
    out, err = capfdbinary.readouterr()
    assert out.startswith(b"\x89PNG") and not err


def test_the_trimap_of_a_photo_that_was_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "p.jpg", np.zeros((60, 45, 3), np.uint8), exif=exif)  # shown 60 wide
    out = tmp_path / "t.png"
    assert run(save(tmp_path / "m.png", disc()), "-o", out, "--image", tmp_path / "p.jpg") == 0
    assert pixels(out).shape == (45, 60)


def test_a_mask_of_the_stored_pixels_of_a_photo_that_was_turned(
    tmp_path: Path, capsys: Capture
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "p.jpg", np.zeros((60, 45, 3), np.uint8), exif=exif)
    mask = save(tmp_path / "m.png", disc(120, 90))
    assert run(mask, "-o", tmp_path / "t.png", "--image", tmp_path / "p.jpg") == 2
    one_line(capsys, "the mask is 90x120, as its picture is stored", "then 60x45: turn the mask")


def bad(folder: Path) -> dict[str, tuple[list[Any], str]]:
    mask = save(folder / "m.png", disc())
    dark = save(folder / "dark.png", disc() * np.uint8(0))
    photo = save(folder / "photo.png", np.indices((45, 60)).sum(0).astype(np.uint8) * np.uint8(2))
    (folder / "torn.png").write_bytes(mask.read_bytes()[:60])
    (folder / "masks").mkdir()
    out = ["-o", folder / "out.png"]
    return {
        "empty": ([dark, *out], "dark.png: the mask's subject is empty"),
        "full": ([dark, *out, "--invert-mask"], "dark.png: the mask's subject fills the picture"),
        "a picture": ([photo, *out], "photo.png: the mask looks like a picture"),
        "torn": ([folder / "torn.png", *out], "torn.png is damaged or truncated"),
        "none": ([folder / "no.png", *out], "no picture at "),
        "a folder": ([folder / "masks", *out], "masks is a folder: give one mask"),
        "no image": ([mask, *out, "--fit-mask"], "--fit-mask stretches to a picture: give --image"),
        "band": ([mask, *out, "--band", -1], "band_px -1: at least 0 pixels"),
        "itself": ([mask, "-o", mask], "would replace a picture that is read"),
        "its image": (
            [mask, "-o", photo, "--image", photo],
            "would replace a picture that is read",
        ),
        "a JPEG": ([mask, "-o", folder / "out.jpg"], "JPEG cannot hold this picture"),
    }


@pytest.mark.parametrize(
    "case",
    "empty,full,a picture,torn,none,a folder,no image,band,itself,its image,a JPEG".split(","),
)
def test_what_is_refused_is_refused_in_one_line_and_nothing_is_written(
    case: str, tmp_path: Path, capsys: Capture
) -> None:
    arguments, message = bad(tmp_path)[case]
    before = {f: f.read_bytes() for f in tmp_path.iterdir() if f.is_file()}
    assert run(*arguments) == 2
    one_line(capsys, message)
    assert {f: f.read_bytes() for f in tmp_path.iterdir() if f.is_file()} == before


def test_other_proportions_say_both_sizes_and_what_to_give(
    png: Png, tmp_path: Path, capsys: Capture
) -> None:
    mask = save(tmp_path / "m.png", disc(40, 40))
    assert run(mask, "-o", tmp_path / "t.png", "--image", png("p.png", 60, 45)) == 2
    one_line(capsys, "m.png is 40x40, its picture 60x45", "--fit-mask")


# What a mask's file may be


def rgba(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack([colour, colour, colour, alpha])


def made(folder: Path) -> dict[str, tuple[Path, NDArray[Any]]]:
    mask = disc()
    soft = np.linspace(0, 65535, mask.size).reshape(mask.shape).astype(np.uint16)
    solid = np.full_like(mask, 255)
    photo = np.random.default_rng(1).integers(0, 256, mask.shape, np.uint8)
    label = Image.fromarray((mask // 255).astype(np.uint8), mode="P")
    label.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])  # as data sets of labels colour them
    label.save(folder / "labels.png")
    greys = Image.fromarray((mask // 255).astype(np.uint8), mode="P")
    greys.putpalette([255, 255, 255, 0, 0, 0])
    greys.save(folder / "greys.png")
    red = np.dstack([mask, mask * 0, mask * 0])
    high = mask.astype(np.uint16) * np.uint16(257)
    return {
        "bytes": (save(folder / "l.png", mask), mask),
        "1 bit": (save(folder / "1.png", mask, "1"), mask),
        "16 bits": (save(folder / "16.png", soft), soft),
        "16 bits, hard": (save(folder / "16h.tif", high), high),
        "RGB": (save(folder / "rgb.png", mask, "RGB"), mask),
        "red": (save(folder / "red.png", red), mask),
        "RGBA, a cut-out": (save(folder / "cut.png", rgba(photo, mask)), mask),
        "RGBA, opaque": (save(folder / "opaque.png", rgba(mask, solid)), mask),
        "RGBA, cleared": (save(folder / "clear.png", rgba(mask, solid * np.uint8(0))), mask),
        "grey and alpha": (save(folder / "la.png", rgba(solid, mask), "LA"), mask),
        "labels": (folder / "labels.png", mask),
        "greys": (folder / "greys.png", 255 - mask),
    }


KINDS = (
    "bytes,1 bit,16 bits,16 bits, hard,RGB,red,RGBA, a cut-out,RGBA, opaque,RGBA, cleared,"
    "grey and alpha,labels,greys"
).replace(", ", "; ")


@pytest.mark.parametrize("kind", [kind.replace("; ", ", ") for kind in KINDS.split(",")])
def test_a_file_says_what_its_program_meant(kind: str, tmp_path: Path) -> None:
    path, wanted = made(tmp_path)[kind]
    found = read_mask(path)
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == wanted.dtype


def test_what_a_lossy_file_leaves_around_an_edge_is_no_doubt(tmp_path: Path) -> None:
    """JPEG's waves around an edge are within 12 of 255; the same values in a PNG are kept."""
    jpeg = save(tmp_path / "m.jpg", disc(90, 120), quality=80)
    stored = pixels(jpeg)
    waves = ((stored > 3) & (stored <= 12)) | ((stored >= 243) & (stored < 252))
    assert waves.mean() > 0.005
    found = read_mask(jpeg)
    assert set(np.unique(found[waves])) == {0, 255}
    edge = (stored > 12) & (stored < 243)
    np.testing.assert_array_equal(found[edge], stored[edge])
    png = save(tmp_path / "m.png", stored)
    np.testing.assert_array_equal(read_mask(png), stored)
    widened, sharp = (
        edgematte.trimap_from_mask(mask, (120, 90), 4) == 128 for mask in (stored, found)
    )
    assert widened.mean() > 1.1 * sharp.mean()
