import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgematte.errors import PictureError
from edgematte.training.pictures.folders import Reading
from edgematte.training.pictures.sources import (
    Folders,
    Library,
    count,
    held_out,
    load_library,
)


def _folders(kind: str, *found: Path) -> Folders:
    """One folder of a kind, or the pair of folders it takes."""
    sources: Any = [tuple(found)] if len(found) == 2 else list(found)
    return replace(Folders(), **{kind: sources})


def _save(folder: Path, name: str, mode: str = "RGB", size: tuple[int, int] = (20, 16)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.new(mode, size, (200, 30, 30, 100)[: len(Image.new(mode, (1, 1)).getbands())])
    picture.save(folder / name)
    return folder


def test_every_source_is_read(library: Library) -> None:
    assert count(library) == {
        "people": 2,
        "pairs": 2,
        "cutouts": 4,
        "veils": 4,
        "backgrounds": 2,
    }
    assert [len(folder) for folder in library.cutouts] == [2, 2]
    assert not library.skipped


def test_the_sides_of_the_split_share_nothing() -> None:
    names = [f"subject{i}_{j:02}.png" for i in range(300) for j in range(2)]
    validation = [name for name in names if held_out(name, 0.1)]
    assert 0.05 * len(names) < len(validation) < 0.15 * len(names)
    assert {n[:-7] for n in validation}.isdisjoint(n[:-7] for n in names if n not in validation)
    assert not any(held_out(name, 0.0) for name in names)


def test_the_two_sides_make_up_the_folder(tmp_path: Path) -> None:
    for i in range(40):
        _save(tmp_path / "f", f"thing{i}.png", "RGBA")
    folders = Folders(foregrounds=[tmp_path / "f"])
    sides = [load_library(folders, hold_out=0.3, validation=v) for v in (False, True)]
    numbers = [count(side)["cutouts"] for side in sides]
    assert min(numbers) > 3 and sum(numbers) == 40


def test_a_file_that_cannot_be_read_is_named_skipped_and_counted(tmp_path: Path) -> None:
    good = _save(tmp_path / "f", "good.png", "RGBA") / "good.png"
    (tmp_path / "f/cut.png").write_bytes(good.read_bytes()[:60])
    (tmp_path / "f/text.jpg").write_text("no picture")
    (tmp_path / "f/notes.txt").write_text("not taken for a picture")
    Image.new("RGBA", (8, 8)).save(tmp_path / "f/nothing.png")
    if os.geteuid():  # root reads everything
        _save(tmp_path / "f", "locked.png", "RGBA")
        (tmp_path / "f/locked.png").chmod(0)
    library = load_library(Folders(foregrounds=[tmp_path / "f"]))
    assert count(library)["cutouts"] == 1
    assert len(library.skipped) == 3 + bool(os.geteuid())
    for name, reason in (("cut.png", "damaged"), ("text.jpg", "not a picture"), ("nothing", "0")):
        assert any(name in line and reason in line for line in library.skipped), name


def test_a_foreground_without_transparency_is_refused(tmp_path: Path) -> None:
    for mode in ("RGB", "RGBA"):
        folder = _save(tmp_path / mode, "photo.png", "RGB")
        if mode == "RGBA":
            Image.open(folder / "photo.png").convert("RGBA").save(folder / "photo.png")
        with pytest.raises(PictureError, match=r"photo\.png has no transparency"):
            load_library(Folders(foregrounds=[folder]))


def test_a_palette_picture_with_a_transparent_colour_is_a_cutout(tmp_path: Path) -> None:
    _save(tmp_path, "p.png", "RGBA")
    picture = Image.open(tmp_path / "p.png")
    picture.paste((0, 0, 0, 0), (0, 0, 8, 8))
    picture.save(tmp_path / "p.gif")
    (tmp_path / "p.png").unlink()
    assert count(load_library(Folders(foregrounds=[tmp_path])))["cutouts"] == 1


@pytest.mark.parametrize("kind", ["foregrounds", "veils", "backgrounds"])
def test_empty_and_missing_folders_are_named(kind: str, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no folder at .*none"):
        load_library(_folders(kind, tmp_path / "none"))
    with pytest.raises(PictureError, match=f"no pictures in {tmp_path}"):
        load_library(_folders(kind, tmp_path))
    (tmp_path / "bad.png").write_text("bad")
    with pytest.raises(PictureError, match="none of the 1 pictures"):
        load_library(_folders(kind, tmp_path))


def test_pictures_without_a_matte_are_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        _save(tmp_path / "images", name)
    _save(tmp_path / "alphas", "a.png", "L")
    _save(tmp_path / "alphas", "other.png", "L")
    with pytest.raises(PictureError, match=r"1 of 2 pictures .*: b\.jpg$"):
        load_library(Folders(alphas=[(tmp_path / "images", tmp_path / "alphas")]))


@pytest.mark.parametrize("kind", ["alphas", "masks"])
def test_a_matte_of_another_size_is_named(kind: str, tmp_path: Path) -> None:
    _save(tmp_path / "images", "a.jpg", size=(20, 16))
    _save(tmp_path / "mattes", "a.png", "L", size=(16, 20))
    with pytest.raises(PictureError, match="20x16 and 16x20"):
        load_library(_folders(kind, tmp_path / "images", tmp_path / "mattes"))


def test_what_memory_has_no_room_for_is_read_again(folders: Folders, library: Library) -> None:
    from_disk = load_library(folders, reading=Reading(free_bytes=0))
    assert count(from_disk) == count(library)
    assert from_disk.cutouts[0][1].tobytes() == library.cutouts[0][1].tobytes()
    assert from_disk.people[0][0].known.tobytes() == library.people[0][0].known.tobytes()
