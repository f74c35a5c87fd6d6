"""Sizes of picture files by their headers, without decoding them."""

from pathlib import Path

from PIL import Image

from edgematte.pictures import exr
from edgematte.pictures.metadata import ORIENTATION
from edgematte.pictures.quiet import quiet


def size_of(file: Path) -> tuple[int, int] | None:
    """(width, height) of a picture; None where its header cannot be read, or says it is turned.

    Whoever decodes the file says what is wrong with it.
    """
    try:
        with file.open("rb") as opened:
            if opened.read(len(exr.MAGIC)) == exr.MAGIC:
                return exr.size_of(file)
        with quiet(), Image.open(file) as image:
            return image.size if image.getexif().get(ORIENTATION, 1) == 1 else None
    except Exception:  # decoders raise many kinds
        return None
