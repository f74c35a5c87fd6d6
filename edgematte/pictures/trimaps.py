"""Reading files with one channel, such as trimaps, alphas and masks, in any form of storage."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from edgematte.arrays import Bytes
from edgematte.errors import PictureError
from edgematte.pictures.metadata import QUARTER_TURNS
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
from edgematte.runtime.host.mask import proportional
from edgematte.runtime.host.trimap import odd_pixels


@dataclass(frozen=True)
class _Channel:
    values: Bytes  # (H, W)
    orientation: int | None
    notes: tuple[str, ...]


def read_grey(source: Source) -> Bytes:
    """Grey bytes (H, W) of a trimap, an alpha or a mask.

    From 16 bits the high byte is taken, unless no value is above 255: then the file holds 8-bit
    values. If a file has transparency, and its colours are a single colour or not grey, its alpha
    channel is read. Errors as :func:`edgematte.pictures.read_picture`.
    """
    channel = decode(source, _channel)
    warn_of(channel.notes)
    return channel.values


def read_trimap_for(
    file: Source, picture: Picture, name: str | None = None
) -> tuple[Bytes, tuple[str, ...]]:
    """The trimap of a picture as grey bytes (H, W), and notes for the user.

    Raises:
        PictureError: as :func:`read_grey`; or the picture was turned upright, and the trimap was
            drawn on its stored pixels.
    """
    channel = decode(file, _channel, name)
    size = channel.values.shape[1], channel.values.shape[0]
    notes = not_turned(name or str(file), "trimap", size, channel.orientation, picture)
    return channel.values, (*channel.notes, *notes)


def not_turned(
    file: str, what: str, size: tuple[int, int], orientation: int | None, picture: Picture
) -> tuple[str, ...]:
    """Notes on a trimap or mask whose picture was turned upright by its EXIF orientation.

    Args:
        file: name of the trimap's or mask's file.
        what: "trimap" or "mask".
        size: (width, height) of it.
        orientation: EXIF's number in that file; None if it has none.
        picture: the picture that it is for.

    Raises:
        PictureError: it has the proportions of the picture as that is stored, not as it is shown.
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


def _channel(decoded: Decoded) -> _Channel:
    values, notes = _values(decoded)
    return _Channel(values, decoded.orientation, decoded.notes + notes)


def _values(decoded: Decoded) -> tuple[Bytes, tuple[str, ...]]:
    image, name = decoded.image, decoded.name
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
