"""Which files of a folder are pictures: those whose ending Pillow can read."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

NOT_PICTURES = {".mpg", ".mpeg", ".eps", ".ps", ".wmf", ".emf", ".iim"}
"""Endings that Pillow knows but reads with other programs' help, on one system, or not as one."""

STUBS = {"BUFR", "GRIB", "HDF5"}  # formats that Pillow recognises and cannot decode


def picture_endings() -> frozenset[str]:
    """Endings of pictures that this Pillow reads, in lower case with their dot."""
    formats = Image.registered_extensions()
    readable = (set(Image.OPEN) | {"MPO"}) - STUBS
    return frozenset(e for e, kind in formats.items() if kind in readable) - NOT_PICTURES


def sort_files(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Pictures, and the files that are left out; both sorted.

    Hidden files are never pictures: other systems leave ``._x.jpg`` beside x.jpg. They are among
    those left out only where their ending is a picture's.
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
