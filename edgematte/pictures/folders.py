"""Which files of a folder are pictures: those whose ending Pillow can read."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from edgematte.pictures import heif

NOT_PICTURES = {".mpg", ".mpeg", ".eps", ".ps", ".wmf", ".emf", ".iim"}
"""Endings that Pillow reads only with other programs, on one system, or not as a picture."""

STUBS = {"BUFR", "GRIB", "HDF5"}  # formats that Pillow recognises and cannot decode


def picture_endings() -> frozenset[str]:
    """The endings of pictures that this Pillow reads, in lower case, with the dot."""
    formats = Image.registered_extensions()
    readable = (set(Image.OPEN) | {"MPO"}) - STUBS
    found = frozenset(e for e, kind in formats.items() if kind in readable) - NOT_PICTURES
    return found | {*heif.ENDINGS, ".exr"}  # without what reads them, they are told of by name


def sort_files(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The pictures, and the files that are left out; both sorted.

    Hidden files never count as pictures, because some systems leave ``._x.jpg`` beside x.jpg. They
    are listed as left out only if they have the ending of a picture.
    """
    endings = picture_endings()
    pictures, skipped = [], []
    for file in sorted(files):
        hidden, pictured = file.name.startswith("."), file.suffix.lower() in endings
        if pictured and not hidden and file.is_file():
            pictures.append(file)
        elif (pictured or not hidden) and file.is_file():
            skipped.append(file)
    return pictures, skipped
