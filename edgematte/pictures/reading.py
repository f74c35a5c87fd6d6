"""Decoding pictures: upright RGB bytes, with the file's own alpha and profile."""

import io
import os
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from edgematte.arrays import Bytes
from edgematte.errors import (
    EdgematteError,
    OptionError,
    PictureError,
    PictureSizeError,
    PictureWarning,
)
from edgematte.pictures import deep, exr, hdr, heif
from edgematte.pictures.metadata import (
    exif_of,
    orientation_of,
    thinner,
    turn_array,
    turn_upright,
)
from edgematte.pictures.primaries import Chromaticities
from edgematte.pictures.profiles import cmyk_colours, in_srgb, profile_of
from edgematte.pictures.quiet import quiet
from edgematte.pictures.tone import shown

T = TypeVar("T")

Source: TypeAlias = Path | BinaryIO | Image.Image
"""A file, an open file that is read to its end, or a picture that Pillow has opened or made."""

MAX_PIXELS = 400_000_000
"""Pictures with more pixels are refused before they are decoded (20000x20000)."""
LIMIT = "EDGEMATTE_MAX_PIXELS"
"""Name of the environment variable that gives another limit, for pictures that are trusted."""
PROGRAMS = ("EPS",)
"""Formats of Pillow's that are programs, which it would run Ghostscript to see."""

SEVERAL = {
    **dict.fromkeys(("GIF", "PNG", "WEBP", "AVIF"), "an animation: its first frame is read"),
    "TIFF": "several pages: the first one is read",
    "HEIF": "several pictures: the one that phones show is read",
}
"""What is said of a file that holds several pictures, by Pillow's name of its format; of an MPO
nothing, whose other pictures are a phone's previews and depths."""

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


def refuse_large(name: str, width: int, height: int, most: int | None = None) -> None:
    """Refuse a picture, or a frame, of more pixels than ``most``, by default :func:`most_pixels`.

    Raises:
        PictureSizeError: naming both numbers, and the variable that raises the default.
    """
    if width * height > (most_pixels() if most is None else most):
        raise PictureSizeError(f"{name} has {width}x{height} pixels; {_limit_told(most)}")


def _limit_told(most: int | None) -> str:
    if most is not None:
        return f"at most {most:,} are read"
    return f"at most {most_pixels():,} are read: if you trust it, set {LIMIT} to a larger number"


def _unlock() -> None:
    """Free the lock in a forked child: the thread that may hold it is in the parent."""
    global _LIMIT
    _LIMIT = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_unlock)


@dataclass(frozen=True)
class Picture:
    """A picture file, upright.

    `pixels`: uint8 (H, W, 3), RGB; of a deeper file an 8-bit view. `alpha`: the file's own (H, W),
    uint8, or of a deeper file uint16 or floats; None where it is opaque everywhere. `profile`: the
    ICC profile of the pixels; None: sRGB. `orientation`: that of the stored pixels, 1 to 8 as in
    EXIF; None if the file has none. `notes`: a line for each part of the file that could not be
    read and was left out. `exif`: the file's EXIF without orientation, thumbnails and makers'
    notes; None if it has none. `deep`: the colours of a deeper file (H, W, 3): uint16, or
    scene-linear light, float16 or float32, 1 being white; None for 8 bits. `header`: the attributes
    of an OpenEXR file. `coding`: what the values of an HDR picture mean; None for others.
    """

    pixels: Bytes
    alpha: Bytes | None = None
    profile: bytes | None = None
    orientation: int | None = None
    notes: tuple[str, ...] = ()
    exif: bytes | None = None
    deep: NDArray[Any] | None = None
    header: dict[str, Any] | None = None
    coding: hdr.Coding | None = None

    @property
    def primaries(self) -> Chromaticities | None:
        """Those of light; None: sRGB's, or the profile's."""
        found: Chromaticities | None = (self.header or {}).get("chromaticities")
        return found

    @property
    def colours(self) -> NDArray[Any]:
        """The colours (H, W, 3) as deep as the file has them."""
        return self.pixels if self.deep is None else self.deep

    @cached_property
    def seen(self) -> Bytes:
        """What nets see: the pixels in sRGB, of HDR by the curve of `edgematte.pictures.tone`."""
        if self.coding is not None:
            light = hdr.light_of(self.colours, self.coding)
            return shown(light, primaries=self.coding.chromaticities)
        return in_srgb(self.pixels, self.profile)

    def on_screen(self) -> "Picture":
        """An HDR picture as nets see it, in sRGB of 8 bits."""
        return replace(self, pixels=self.seen, profile=None, deep=None, coding=None)

    @property
    def image(self) -> Bytes:
        """The input of :class:`edgematte.Matter`: (H, W, 3), or (H, W, 4) with the file's alpha."""
        if self.alpha is None:
            return self.pixels
        return np.concatenate([self.pixels, bytes_of(self.alpha)[..., None]], axis=2)


class Sent(io.BytesIO):
    """A picture's bytes that somebody sent, of formats that Pillow itself reads, with limits."""

    def __init__(
        self, content: bytes, max_pixels: int, formats: tuple[str, ...] | None = None
    ) -> None:
        """Say what is read of it.

        Args:
            content: the bytes.
            max_pixels: with more it is refused before it is decoded.
            formats: Pillow's names of the formats that are read; None: all that Pillow has.
        """
        super().__init__(content)
        self.max_pixels, self.formats = min(max_pixels, most_pixels()), formats


@dataclass(frozen=True)
class Decoded:
    """A picture as Pillow has it: loaded, upright, in the mode of its file."""

    name: str
    image: Image.Image
    orientation: int | None
    notes: tuple[str, ...]
    format: str | None = None  # Pillow's name of it
    exif: bytes | None = None
    content: bytes = b""  # of the file, where it holds more bits than Pillow gives
    coding: hdr.Coding | None = None  # of HDR


def bytes_of(alpha: NDArray[Any]) -> Bytes:
    """An alpha channel of any depth in 8 bits, rounded to the nearest."""
    if alpha.dtype == np.uint8:
        return alpha
    top = 65535 if alpha.dtype == np.uint16 else 1
    return np.asarray(alpha.astype(np.float32) * np.float32(255 / top) + 0.5).astype(np.uint8)


def open_picture(source: Source, name: str | None = None, *, depth: bool = True) -> Picture:
    """A picture with its alpha, profile and notes; errors as :func:`read_picture`.

    Args:
        source: a file, an open file, or a PIL image.
        name: of the picture in messages; by default its file's.
        depth: read more than 8 bits a channel, too.
    """
    use = partial(_picture, depth=depth)
    if isinstance(source, Image.Image | Sent):
        return decode(source, use, name)
    name, data = _named_bytes(source, name)
    if data.startswith(exr.MAGIC):
        found = exr.read(data, name, most_pixels())
        return Picture(
            shown(found.colours, primaries=found.header.get("chromaticities")),
            found.alpha,
            notes=found.notes,
            deep=found.colours,
            header=found.header,
        )
    return decode(io.BytesIO(data), use, name)


def read_picture(source: Source) -> Bytes:
    """RGB bytes (H, W, 3), turned upright as its EXIF says.

    Grey, palette, CMYK and 16-bit pictures and light are converted; an alpha channel is dropped,
    which :func:`open_picture` gives. Metadata that cannot be read is dropped with a warning.

    Raises:
        PictureError: missing, not a picture, truncated, or of a kind without a meaning as RGB.
    """
    picture = open_picture(source, depth=False)
    warn_of(picture.notes)
    return picture.pixels


def read_cutout(source: Source) -> Bytes:
    """RGBA bytes (H, W, 4); without transparency alpha is 255. Errors as :func:`read_picture`."""
    picture = open_picture(source, depth=False)
    warn_of(picture.notes)
    opaque = np.full(picture.pixels.shape[:2], 255, np.uint8)
    alpha = opaque if picture.alpha is None else bytes_of(picture.alpha)
    return np.concatenate([picture.pixels, alpha[..., None]], axis=2)


def warn_of(notes: tuple[str, ...]) -> None:
    """Give the notes as Python's warnings, for callers who get only the pixels."""
    for note in notes:
        warnings.warn(note, PictureWarning, stacklevel=2)


def _picture(decoded: Decoded, depth: bool) -> Picture:
    image = decoded.image
    alpha = own_alpha(image)
    profile, notes = profile_of(image, decoded.name)
    pixels = cmyk_colours(image)
    if pixels is None:
        pixels = np.array(_rgb(image, decoded.name))
    colours, own, more = _deep(decoded) if depth else (None, None, ())
    return Picture(
        pixels,
        alpha if own is None else own,
        profile if image.mode != "CMYK" else None,
        decoded.orientation,
        decoded.notes + notes + more,
        decoded.exif,
        colours,
        coding=decoded.coding,
    )


def _deep(
    decoded: Decoded,
) -> tuple[NDArray[Any] | None, NDArray[Any] | None, tuple[str, ...]]:
    """Colours and alpha of more than 8 bits, upright, and a note where they cannot be read."""
    image, name = decoded.image, decoded.name
    if image.mode.startswith("I"):
        grey = integers(image, name).astype(np.uint16)
        return np.repeat(grey[..., None], 3, axis=2), None, ()
    if not decoded.content:
        return None, None, ()
    try:
        if decoded.format == "HEIF":
            array = heif.read_deep(decoded.content)
            colours, own = array[..., :3], array[..., 3] if array.shape[2] == 4 else None
        else:
            colours, own = deep.read_deep(decoded.content, str(decoded.format))
            colours = turn_array(colours, decoded.orientation)
            own = None if own is None else turn_array(own, decoded.orientation)
    except OptionError as error:
        return None, None, (f"{name} was read at 8 bits a channel, and has more: {error}",)
    except Exception as error:  # decoders raise many kinds; what Pillow read is there
        return None, None, (f"{name} was read at 8 bits a channel, and has more ({error})",)
    if colours.shape[:2] != (image.height, image.width):
        return None, None, (f"{name} was read at 8 bits a channel, and has more (sizes differ)",)
    if own is not None and own.min() == 65535:
        own = None
    return np.ascontiguousarray(colours), own, ()


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
    name, data = _named_bytes(source, name)
    most: int | None = None
    formats: tuple[str, ...] | None = None
    if isinstance(source, Sent):
        most, formats = source.max_pixels, source.formats
    elif data.startswith(exr.MAGIC):
        raise PictureError(
            f"{name} is an OpenEXR picture, which no trimap or mask is read from; give it as PNG"
        )
    elif heif.is_heif(data):
        heif.register(name)
    reason: Exception | None = None
    with quiet():
        for content in (data, *thinner(data)):
            try:
                return use(_loaded(_open(content, formats), name, reason, content, most))
            except Image.DecompressionBombError:
                raise PictureSizeError(f"{name} has too many pixels; {_limit_told(most)}") from None
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


def _loaded(
    image: Image.Image,
    name: str,
    reason: Exception | None,
    content: bytes = b"",
    most: int | None = None,
) -> Decoded:
    refuse_large(name, image.width, image.height, most)
    if image.format in PROGRAMS:
        raise PictureError(f"{name} is {image.format}, a program and no picture: convert it first")
    bits = image.info.get("bit_depth", 8) if image.format == "HEIF" else 8
    more = bits > 8 or deep.is_deep(image, content)
    several = image.format in SEVERAL and getattr(image, "is_animated", False)
    before = orientation_of(image, name) if image.format == "TIFF" else None
    image.load()
    orientation, notes = left, _ = orientation_of(image, name)
    if before is not None:  # Pillow turns these itself as it loads them, and removes the tag
        orientation, notes = before
    if reason is not None:
        why = "" if isinstance(reason, UnidentifiedImageError) else f" ({reason})"
        notes += (f"{name} holds metadata that cannot be read{why}; it was dropped",)
    if several:
        notes += (f"{name} holds {SEVERAL[str(image.format)]}",)
    upright, exif = turn_upright(image, left), exif_of(image, orientation)
    kept = content if more else b""
    coding = hdr.coding_of(content) if image.format in ("AVIF", "HEIF") else None
    if coding is not None:
        notes += (
            f"{name} is {coding.words}: the net sees it by one tone curve; cut-outs keep its "
            "values, which PNG files alone say",
        )
    return Decoded(name, upright, orientation, notes, image.format, exif, kept, coding)


def _open(data: bytes, formats: tuple[str, ...] | None) -> Image.Image:
    """Read the header; raises Pillow's limit of 179 million pixels, which phones exceed."""
    most = most_pixels()
    with _LIMIT:
        kept, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, most
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = kept


def _named_bytes(source: Path | BinaryIO, name: str | None) -> tuple[str, bytes]:
    """The name of a picture in messages, and its file's content."""
    if name is None:
        name = source.name if isinstance(source, Path) else "the picture on standard input"
    data = _read_bytes(source, name)
    if not data:
        raise PictureError(f"{name} is empty (0 bytes)")
    return name, data


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
