"""Files that hold a mask of the subject, however a segmenter, an editor or a data set stored it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.pictures.reading import (
    Decoded,
    Picture,
    Source,
    decode,
    integers,
    own_alpha,
    refuse_floats,
    warn_of,
)
from edgematte.pictures.trimaps import not_turned

LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")
LOST = 12
"""*Chosen*: in files of lossy formats values within this of 0 and 255 are 0 and 255. Around an edge
JPEG leaves 5 to 10, which are no doubt of the segmenter's."""


def read_mask(source: Source) -> NDArray[Any]:
    """A mask (H, W), uint8 or of 16 bits uint16, as `edgematte.trimap_from_mask` takes it.

    Of a file with transparency that says anything (is not the same everywhere) the alpha channel,
    else the brightest of the three colours. In a palette of colours the first is background and
    every other subject, as data sets of labels have it; a palette of greys is grey. What lossy
    formats leave around an edge is removed (:data:`LOST`).

    Raises:
        PictureError: as :func:`edgematte.pictures.read_picture`.
    """
    values, notes, _ = decode(source, _mask)
    warn_of(notes)
    return values


def read_mask_for(
    source: Source, picture: Picture | None, name: str | None = None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The mask of a picture (None: not known), and what its reader should be told.

    Raises:
        PictureError: as :func:`read_mask`; a mask drawn on the stored pixels of a picture that was
            turned upright.
    """
    values, notes, orientation = decode(source, _mask, name)
    if picture is None:
        return values, notes
    height, width = values.shape
    name = name or (str(source) if isinstance(source, Path) else "standard input")
    return values, notes + not_turned(name, "mask", (width, height), orientation, picture)


def _mask(found: Decoded) -> tuple[NDArray[Any], tuple[str, ...], int | None]:
    values = _values(found.image, found.name)
    if found.format in LOSSY and values.dtype == np.uint8:
        values = np.where(values <= LOST, 0, np.where(values >= 255 - LOST, 255, values))
        values = values.astype(np.uint8)
    return values, found.notes, found.orientation


def _values(image: Image.Image, name: str) -> NDArray[Any]:
    if image.mode.startswith("I"):
        return integers(image, name).astype(np.uint16)
    refuse_floats(image, name)
    alpha = own_alpha(image)
    if alpha is not None and alpha.min() != alpha.max():
        return alpha
    if image.mode == "P" and not _grey_palette(image):
        return np.where(np.asarray(image) == 0, 0, 255).astype(np.uint8)
    if image.mode in ("1", "L", "LA"):
        return np.array(image.convert("L"))
    if image.mode in ("P", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
    brightest: NDArray[np.uint8] = np.asarray(image.convert("RGB")).max(axis=2)
    return brightest


def _grey_palette(image: Image.Image) -> bool:
    """Whether the colours that are used are greys."""
    used = image.convert("RGB").getcolors(256) or []
    return all(len(set(colour)) == 1 for _, colour in used if isinstance(colour, tuple))
