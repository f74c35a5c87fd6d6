"""Files that hold one channel: trimaps, alphas, masks, however their programs stored them."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.errors import PictureError
from edgematte.pictures.reading import (
    Decoded,
    Picture,
    decode,
    integers,
    own_alpha,
    refuse_floats,
    warn_of,
)
from edgematte.runtime.host.mask import proportional
from edgematte.runtime.host.trimap import odd_pixels

Bytes = NDArray[np.uint8]

QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class _Channel:
    values: Bytes  # (H, W)
    orientation: int | None
    notes: tuple[str, ...]


def read_grey(source: Path | BinaryIO) -> Bytes:
    """Grey bytes (H, W) of a trimap, an alpha or a mask.

    Of 16 bits the high byte is taken, unless no value is above 255: then the file holds 8-bit
    values. Where the colours of a file with transparency are one colour, or no grey, the alpha
    channel is what it holds. Errors as :func:`edgematte.pictures.read_picture`.
    """
    found = decode(source, _channel)
    warn_of(found.notes)
    return found.values


def read_trimap_for(file: Path, picture: Picture) -> tuple[Bytes, tuple[str, ...]]:
    """The trimap of a picture as grey bytes (H, W), and what its reader should be told.

    Raises:
        PictureError: as :func:`read_grey`; a trimap drawn on the stored pixels of a picture that
            was turned upright.
    """
    found = decode(file, _channel)
    size = found.values.shape[1], found.values.shape[0]
    notes = not_turned(str(file), "trimap", size, found.orientation, picture)
    return found.values, (*found.notes, *notes)


def not_turned(
    file: str, what: str, size: tuple[int, int], orientation: int | None, picture: Picture
) -> tuple[str, ...]:
    """What to tell of a file whose picture was turned upright while it does not say how it lies.

    Args:
        file: name of what holds one channel for the picture.
        what: it is: a trimap, a mask.
        size: (width, height) of it.
        orientation: as EXIF counts, of that file.
        picture: it is for.

    Raises:
        PictureError: it has the proportions of the picture as that is stored.
    """
    if picture.orientation in (None, 1) or orientation is not None:
        return ()
    height, width = picture.pixels.shape[:2]
    quarter = picture.orientation in QUARTER_TURNS
    if quarter and width != height:
        stored = height, width
        fits = proportional(size, stored) and not proportional(size, (width, height))
        if fits or size == stored:
            raise PictureError(
                f"{file}: the {what} is {size[0]}x{size[1]}, as its picture is stored; the picture "
                f"is turned upright as its EXIF says and then {width}x{height}: turn the {what} too"
            )
        return ()  # of the upright picture's proportions: drawn on that
    return (
        f"{file}: its picture was turned upright as its EXIF says, the {what} was not: it does not "
        "say how it lies; if it was drawn on the stored pixels, turn it",
    )


def _channel(found: Decoded) -> _Channel:
    values, notes = _values(found)
    return _Channel(values, found.orientation, found.notes + notes)


def _values(found: Decoded) -> tuple[Bytes, tuple[str, ...]]:
    image, name = found.image, found.name
    if image.mode.startswith("I"):
        whole = integers(image, name)
        return (whole if whole.max() <= 255 else whole >> 8).astype(np.uint8), ()
    refuse_floats(image, name)
    alpha = own_alpha(image)
    if image.mode in ("P", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
    grey = np.array(image.convert("L"))
    if alpha is None or alpha.min() == alpha.max():
        return grey, ()
    if grey.min() == grey.max() or not _is_grey(image) or odd_pixels(alpha) < odd_pixels(grey):
        return alpha, ()
    if (grey[alpha == 0] != 0).any():
        note = f"{name}: has values both as grey and as transparency; the grey ones were read"
        return grey, (note,)
    return grey, ()


def _is_grey(image: Image.Image) -> bool:
    rgb = np.asarray(image.convert("RGB"))
    return bool((rgb[..., :1] == rgb[..., 1:]).all())
