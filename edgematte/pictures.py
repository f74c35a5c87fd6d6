"""Reading and writing pictures with Pillow: any common file in, RGB bytes out."""

import io
import os
import threading
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from edgematte.atomic import atomic_file
from edgematte.errors import OptionError, PictureError
from edgematte.ranges import ALPHA_BITS, OPTIONS, check

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

MAX_PIXELS = 400_000_000
"""Pictures with more pixels are refused before they are decoded (20000x20000)."""

_LIMIT = threading.Lock()


def _unlock() -> None:
    """In a forked child: who held the lock is a thread of the parent."""
    global _LIMIT
    _LIMIT = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_unlock)


def read_picture(source: Path | BinaryIO) -> Bytes:
    """RGB bytes (H, W, 3), turned upright as its EXIF says.

    Grey, palette, CMYK and 16-bit pictures are converted; an alpha channel is dropped.

    Raises:
        PictureError: missing, not a picture, truncated, or of a kind without a meaning as RGB.
    """
    return np.array(_decode(source, "RGB"))


def read_grey(source: Path | BinaryIO) -> Bytes:
    """Grey bytes (H, W), for trimaps and backgrounds' masks; errors as :func:`read_picture`."""
    return np.array(_decode(source, "L"))


def read_cutout(source: Path | BinaryIO) -> Bytes:
    """RGBA bytes (H, W, 4); without transparency alpha is 255. Errors as :func:`read_picture`."""
    return np.array(_decode(source, "RGBA"))


def _decode(source: Path | BinaryIO, mode: str) -> Image.Image:
    name = source.name if isinstance(source, Path) else "the picture on standard input"
    data = _read_bytes(source, name)
    if not data:
        raise PictureError(f"{name} is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _open(data)
            if image.width * image.height > MAX_PIXELS:
                raise PictureError(
                    f"{name} has {image.width}x{image.height} pixels; "
                    f"at most {MAX_PIXELS:,} are read"
                )
            upright = ImageOps.exif_transpose(image)
            assert upright is not None
            return _convert(upright, mode, name)
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture that can be read") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{name} has too many pixels; at most {MAX_PIXELS:,} are read") from None
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # decoders raise anything: OSError, SyntaxError, RuntimeError, ...
        raise PictureError(f"{name} is damaged or truncated ({error})") from None


def _open(data: bytes) -> Image.Image:
    """Read the header; Pillow's own limit (179 million pixels, less than a phone's) is moved."""
    with _LIMIT:
        kept, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS
        try:
            return Image.open(io.BytesIO(data))
        finally:
            Image.MAX_IMAGE_PIXELS = kept


def _read_bytes(source: Path | BinaryIO, name: str) -> bytes:
    if not isinstance(source, Path):
        return source.read()
    try:
        return source.read_bytes()
    except FileNotFoundError:
        raise PictureError(f"no picture at {source}") from None
    except OSError as error:
        raise PictureError(f"{name} cannot be read ({error.strerror})") from None


def _convert(image: Image.Image, mode: str, name: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, kept as 16 or 32
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise PictureError(f"{name} has grey values outside of 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert(mode)
    if image.mode == "F":
        raise PictureError(f"{name} holds floating-point values without a stated range")
    if image.mode in ("P", "PA") and mode == "RGB":
        image = image.convert("RGBA")
    return image.convert(mode)


def alpha_bytes(alpha: Floats, bits: int = 8) -> NDArray[Any]:
    """Alpha (H, W) in [0, 1] -> uint8 or, with 16 bits, uint16, rounded to the nearest.

    Raises:
        OptionError: neither 8 nor 16 bits.
    """
    check("alpha_bits", bits, ALPHA_BITS)
    top, kind = (255, np.uint8) if bits == 8 else (65535, np.uint16)
    scaled: NDArray[Any] = (alpha * np.float32(top) + np.float32(0.5)).astype(kind)
    return scaled


def cutout(picture: Bytes, alpha: Floats) -> Bytes:
    """The picture with alpha as its fourth channel: uint8 (H, W, 4), not premultiplied."""
    return np.concatenate([picture, alpha_bytes(alpha)[..., None]], axis=2)


def composite(picture: Bytes, alpha: Floats, background: Bytes) -> Bytes:
    """Eq. 1 of the paper: alpha * picture + (1 - alpha) * background, uint8 (H, W, 3).

    ``background`` is (H, W, 3), or (3,) for one colour.
    """
    out = np.empty_like(picture)
    for top in range(0, len(picture), 256):  # in strips: memory stays that of the result
        rows = slice(top, top + 256)
        weight = alpha[rows, :, None]
        behind = (background[rows] if background.ndim == 3 else background).astype(np.float32)
        mixed = behind + weight * (picture[rows].astype(np.float32) - behind)
        out[rows] = (mixed + np.float32(0.5)).astype(np.uint8)
    return out


def read_background(text: str, size: tuple[int, int]) -> Bytes:
    """A colour's name or ``#rrggbb`` -> (3,); a file -> (H, W, 3) that covers ``size`` (W, H).

    Raises:
        OptionError: neither a colour nor a file, or a colour with a channel outside of 0 to 255
            or with a transparency of its own.
    """
    file = Path(text)
    if file.is_file():
        picture = Image.fromarray(read_picture(file))
        return np.array(ImageOps.fit(picture, size, Image.Resampling.BILINEAR))
    try:
        channels = ImageColor.getrgb(text)
    except ValueError:
        raise OptionError(
            f"background {text!r} is neither a colour (white, #00ff00) nor a file"
        ) from None
    if len(channels) > 3:
        raise OptionError(f"background {text!r} is transparent itself: give an opaque colour")
    for channel in channels:
        check(f"background {text!r}: channel", channel, OPTIONS["colour"])
    return np.array(channels, np.uint8)


def encode(array: NDArray[Any], kind: str) -> bytes:
    """A picture array as the bytes of a file; ``kind`` is Pillow's format name, such as PNG.

    Raises:
        OptionError: the format cannot hold this picture.
    """
    stream = io.BytesIO()
    settings = {"PNG": {"compress_level": 3}, "JPEG": {"quality": 95}, "WEBP": {"quality": 95}}
    try:
        Image.fromarray(array).save(stream, kind, **settings.get(kind, {}))
    except (OSError, KeyError, ValueError) as error:
        raise OptionError(f"{kind} cannot hold this picture ({error}); write .png") from None
    return stream.getvalue()


def format_of(path: Path) -> str:
    """Pillow's format name for a file's ending.

    Raises:
        OptionError: an ending that is not known.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None or kind not in Image.SAVE:
        raise OptionError(f"{path.name}: unknown kind of picture {path.suffix!r}; use .png")
    return kind


def write_picture(array: NDArray[Any], path: Path) -> None:
    """Write a picture whole or not at all; the ending of the name is its format."""
    data = encode(array, format_of(path))
    with atomic_file(path) as scratch:
        scratch.write_bytes(data)
