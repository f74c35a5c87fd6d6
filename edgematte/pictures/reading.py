"""Decoding pictures: upright RGB bytes, with the file's own alpha and profile."""

import io
import os
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from edgematte.arrays import Bytes
from edgematte.errors import EdgematteError, OptionError, PictureError, PictureWarning
from edgematte.pictures.metadata import exif_of, orientation_of, thinner, turn_upright
from edgematte.pictures.profiles import cmyk_colours, in_srgb, profile_of
from edgematte.pictures.quiet import quiet

T = TypeVar("T")

Source: TypeAlias = Path | BinaryIO | Image.Image
"""A file, an open file that is read to its end, or a picture that Pillow has opened or made."""

MAX_PIXELS = 400_000_000
"""Pictures with more pixels are refused before they are decoded (20000x20000)."""
LIMIT = "EDGEMATTE_MAX_PIXELS"
"""Name of the environment variable that gives another limit, for pictures that are trusted."""
PROGRAMS = ("EPS",)
"""Formats of Pillow's that are programs, which it would run Ghostscript to see."""

_LIMIT = threading.Lock()


def most_pixels() -> int:
    """How many pixels a picture may have here: :data:`LIMIT`, or else :data:`MAX_PIXELS`.

    Raises:
        OptionError: the variable is no such number.
    """
    given = os.environ.get(LIMIT, "")
    if not given:
        return MAX_PIXELS
    if not (given.isascii() and given.isdecimal() and 0 < len(given.lstrip("0")) <= 12):
        raise OptionError(
            f"{LIMIT} is {given[:40]!r}: it should be a whole number of pixels, such as "
            f"{MAX_PIXELS}"
        )
    return int(given)


def refuse_large(name: str, width: int, height: int) -> None:
    """Refuse a picture, or a frame, of more pixels than :func:`most_pixels`.

    Raises:
        PictureError: naming both numbers, and the variable that raises the limit.
    """
    most = most_pixels()
    if width * height > most:
        raise PictureError(
            f"{name} has {width}x{height} pixels; at most {most:,} are read: if you trust it, set "
            f"{LIMIT} to a larger number"
        )


def _unlock() -> None:
    """Free the lock in a forked child: the thread that may hold it is in the parent."""
    global _LIMIT
    _LIMIT = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_unlock)


@dataclass(frozen=True)
class Picture:
    """A picture file, upright.

    `pixels`: uint8 (H, W, 3), RGB. `alpha`: the file's own, uint8 (H, W); None where it is opaque
    everywhere. `profile`: the ICC profile of the pixels; None: sRGB. `orientation`: that of the
    stored pixels, 1 to 8 as in EXIF; None if the file has none. `notes`: a line for each part of
    the file that could not be read and was left out. `exif`: the file's EXIF without orientation,
    thumbnails and makers' notes; None if it has none.
    """

    pixels: Bytes
    alpha: Bytes | None = None
    profile: bytes | None = None
    orientation: int | None = None
    notes: tuple[str, ...] = ()
    exif: bytes | None = None

    @cached_property
    def seen(self) -> Bytes:
        """What nets see: the pixels in sRGB."""
        return in_srgb(self.pixels, self.profile)

    @property
    def image(self) -> Bytes:
        """The input of :class:`edgematte.Matter`: (H, W, 3), or (H, W, 4) with the file's alpha."""
        if self.alpha is None:
            return self.pixels
        return np.concatenate([self.pixels, self.alpha[..., None]], axis=2)


@dataclass(frozen=True)
class Decoded:
    """A picture as Pillow has it: loaded, upright, in the mode of its file."""

    name: str
    image: Image.Image
    orientation: int | None
    notes: tuple[str, ...]
    format: str | None = None  # Pillow's name of it
    exif: bytes | None = None


def open_picture(source: Source, name: str | None = None) -> Picture:
    """A picture with its alpha, profile and notes; errors as :func:`read_picture`.

    ``name`` is that of the picture in messages; by default its file's.
    """
    return decode(source, _picture, name)


def read_picture(source: Source) -> Bytes:
    """RGB bytes (H, W, 3), turned upright as its EXIF says.

    Grey, palette, CMYK and 16-bit pictures are converted; an alpha channel is dropped, which
    :func:`open_picture` gives. Metadata that cannot be read is dropped with a warning.

    Raises:
        PictureError: missing, not a picture, truncated, or of a kind without a meaning as RGB.
    """
    picture = open_picture(source)
    warn_of(picture.notes)
    return picture.pixels


def read_cutout(source: Source) -> Bytes:
    """RGBA bytes (H, W, 4); without transparency alpha is 255. Errors as :func:`read_picture`."""
    picture = open_picture(source)
    warn_of(picture.notes)
    alpha = (
        np.full(picture.pixels.shape[:2], 255, np.uint8) if picture.alpha is None else picture.alpha
    )
    return np.concatenate([picture.pixels, alpha[..., None]], axis=2)


def warn_of(notes: tuple[str, ...]) -> None:
    """Give the notes as Python's warnings, for callers who get only the pixels."""
    for note in notes:
        warnings.warn(note, PictureWarning, stacklevel=2)


def _picture(decoded: Decoded) -> Picture:
    image = decoded.image
    alpha = own_alpha(image)
    profile, notes = profile_of(image, decoded.name)
    pixels = cmyk_colours(image)
    if pixels is None:
        pixels = np.array(_rgb(image, decoded.name))
    notes = decoded.notes + notes
    return Picture(pixels, alpha, profile, decoded.orientation, notes, decoded.exif)


def own_alpha(image: Image.Image) -> Bytes | None:
    """The transparency of a decoded picture (H, W), as a channel, a palette or one clear colour."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I"):
        clear = image.info["transparency"]
        alpha = np.where(np.asarray(image) == clear, 0, 255).astype(np.uint8)
    else:
        alpha = np.array(image.convert("RGBA").getchannel("A"))
    return None if alpha.min() == 255 else alpha


def _rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, kept as 16 or 32
        high = (integers(image, name) >> 8).astype(np.uint8)
        return Image.fromarray(high).convert("RGB")
    refuse_floats(image, name)
    if image.mode in ("P", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
    return image.convert("RGB")


def integers(image: Image.Image, name: str) -> NDArray[np.int64]:
    """The values (H, W) of a picture of 16 or 32 bits.

    Raises:
        PictureError: a value below 0 or beyond 16 bits.
    """
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise PictureError(f"{name} has grey values outside of 16 bits")
    return values


def refuse_floats(image: Image.Image, name: str) -> None:
    """Refuse floating-point pictures: nothing in them says which value is white."""
    if image.mode == "F":
        raise PictureError(f"{name} holds floating-point values without a stated range")


def decode(source: Source, use: Callable[[Decoded], T], name: str | None = None) -> T:
    """Decode a picture and pass it to ``use``; metadata that prevents decoding is dropped.

    Raises:
        PictureError: as :func:`read_picture`, and what ``use`` raises.
    """
    if isinstance(source, Image.Image):
        return _use_image(source, use, name or "the PIL image")
    if name is None:
        name = source.name if isinstance(source, Path) else "the picture on standard input"
    data = _read_bytes(source, name)
    if not data:
        raise PictureError(f"{name} is empty (0 bytes)")
    reason: Exception | None = None
    with quiet():
        for content in (data, *thinner(data)):
            try:
                return use(_decoded(content, name, reason))
            except Image.DecompressionBombError:
                raise PictureError(
                    f"{name} has too many pixels; at most {most_pixels():,} are read: if you "
                    f"trust it, set {LIMIT} to a larger number"
                ) from None
            except (EdgematteError, MemoryError):
                raise
            except Exception as error:  # decoders raise many kinds: OSError, SyntaxError, ...
                reason = reason or error
    if isinstance(reason, UnidentifiedImageError):
        raise PictureError(f"{name} is not a picture that can be read")
    raise PictureError(f"{name} is damaged or truncated ({reason})")


def _use_image(image: Image.Image, use: Callable[[Decoded], T], name: str) -> T:
    if not (image.width and image.height):
        raise PictureError(f"{name} is empty ({image.width}x{image.height} pixels)")
    try:
        with quiet():
            return use(_loaded(image, name, None))
    except (EdgematteError, MemoryError):
        raise
    except Exception as error:  # opened and not read until now: as in `decode`
        raise PictureError(f"{name} is damaged, truncated or closed ({error})") from None


def _decoded(content: bytes, name: str, reason: Exception | None) -> Decoded:
    return _loaded(_open(content), name, reason)


def _loaded(image: Image.Image, name: str, reason: Exception | None) -> Decoded:
    refuse_large(name, image.width, image.height)
    if image.format in PROGRAMS:
        raise PictureError(f"{name} is {image.format}, a program and no picture: convert it first")
    before = orientation_of(image, name) if image.format == "TIFF" else None
    image.load()
    orientation, notes = left, _ = orientation_of(image, name)
    if before is not None:  # Pillow turns these itself as it loads them, and removes the tag
        orientation, notes = before
    if reason is not None:
        why = "" if isinstance(reason, UnidentifiedImageError) else f" ({reason})"
        notes += (f"{name} holds metadata that cannot be read{why}; it was dropped",)
    upright = turn_upright(image, left)
    return Decoded(name, upright, orientation, notes, image.format, exif_of(image, orientation))


def _open(data: bytes) -> Image.Image:
    """Read the header; raises Pillow's limit of 179 million pixels, which phones exceed."""
    most = most_pixels()
    with _LIMIT:
        kept, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, most
        try:
            return Image.open(io.BytesIO(data))
        finally:
            Image.MAX_IMAGE_PIXELS = kept


def _read_bytes(source: Any, name: str) -> bytes:
    if not isinstance(source, Path):
        data = None if isinstance(source, io.TextIOBase) else source.read()
        if not isinstance(data, bytes):
            raise PictureError(f"{name} was opened as text; open it as bytes, with mode 'rb'")
        return data
    try:
        return source.read_bytes()
    except FileNotFoundError:
        raise PictureError(f"no picture at {source}") from None
    except OSError as error:
        raise PictureError(f"{name} cannot be read ({error.strerror})") from None
