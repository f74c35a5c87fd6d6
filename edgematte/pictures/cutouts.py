"""Making alpha files, cut-outs and composites from a picture and its alpha."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError, PictureError
from edgematte.pictures.light import Light
from edgematte.pictures.primaries import Chromaticities, to_srgb
from edgematte.pictures.profiles import convert_colours
from edgematte.pictures.reading import Picture, open_picture, warn_of
from edgematte.ranges import ALPHA_BITS, OPTIONS, check

STRIP = 256  # rows that are worked on at a time


def alpha_bytes(alpha: Floats, bits: int = 8) -> NDArray[Any]:
    """Alpha (H, W) in [0, 1] -> uint8 or, with 16 bits, uint16, rounded to the nearest.

    With 32 bits it is float32, as it was.

    Raises:
        OptionError: other than 8, 16 or 32 bits.
    """
    check("alpha_bits", bits, ALPHA_BITS)
    if bits == 32:
        return alpha
    top, kind = (255, np.uint8) if bits == 8 else (65535, np.uint16)
    scaled: NDArray[Any] = (alpha * np.float32(top) + np.float32(0.5)).astype(kind)
    return scaled


def cutout(picture: NDArray[Any], alpha: Floats, *, keep_colour: bool = False) -> NDArray[Any]:
    """The picture with alpha as its fourth channel (H, W, 4), not premultiplied.

    Args:
        picture: uint8, uint16, float16 or float32 (H, W, 3), and so is the cut-out; a fourth
            channel is not used, because the matte of such a picture is multiplied by it already.
        alpha: (H, W) in [0, 1].
        keep_colour: keep the picture's colours where alpha is 0, for compositors; otherwise they
            are 0 there, so that the file does not contain what was removed.

    Raises:
        PictureError: picture and alpha are of different sizes.
    """
    if picture.shape[:2] != alpha.shape:
        raise PictureError(
            f"the picture is {list(picture.shape[:2])}, its alpha {list(alpha.shape)} (H, W): they "
            "must be of one size"
        )
    colours = picture[..., :3] if keep_colour else without_hidden(picture[..., :3], alpha)
    return np.concatenate([colours, _alpha_as(alpha, picture.dtype)[..., None]], axis=2)


def without_hidden(picture: NDArray[Any], alpha: Floats) -> NDArray[Any]:
    """The picture (H, W, 3), black where alpha (H, W), rounded as its values are, is 0."""
    seen = (_alpha_as(alpha, picture.dtype) > 0)[..., None]
    if picture.dtype.kind == "f":
        return np.where(seen, picture, picture.dtype.type(0))  # of NaN too
    return np.asarray(picture * seen)


def _alpha_as(alpha: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Alpha as the colours of a dtype go with it."""
    return alpha_bytes(alpha, 8 * dtype.itemsize) if dtype.kind == "u" else alpha.astype(dtype)


def multiplied(cutout: NDArray[Any]) -> NDArray[Any]:
    """A cut-out (H, W, 4) with its colours multiplied by its alpha, of the same dtype."""
    top = 1 if cutout.dtype.kind == "f" else np.iinfo(cutout.dtype).max
    out = cutout.copy()
    for first in range(0, len(cutout), STRIP):
        strip = cutout[first : first + STRIP]
        weight = strip[..., 3:].astype(np.float32) / np.float32(top)
        colours = strip[..., :3] * weight
        if top != 1:
            colours = np.rint(colours)
        soft = (weight > 0) & (weight < 1)
        kept = np.where(weight > 0, strip[..., :3], cutout.dtype.type(0))
        out[first : first + STRIP, :, :3] = np.where(soft, colours.astype(cutout.dtype), kept)
    return out


def composite(
    picture: NDArray[Any],
    alpha: Floats,
    background: Bytes,
    *,
    linear: bool = False,
    profile: bytes | None = None,
    primaries: Chromaticities | None = None,
) -> NDArray[Any]:
    """Eq. 1 of the paper: alpha * picture + (1 - alpha) * background, (H, W, 3).

    Args:
        picture: uint8, uint16 or, of light, floats (H, W, 3), and so is the composite.
        alpha: (H, W) in [0, 1].
        background: uint8 (H, W, 3), or (3,) for one colour, in the picture's profile.
        linear: mix light instead of stored values, as lenses do: a soft edge between red and green
            is not darker than both then.
        profile: ICC profile of picture and background, whose tone curves say what light a value
            stands for; None: sRGB.
        primaries: of a picture of light, to which the background's light is converted; None: those
            of sRGB.
    """
    out = np.empty_like(picture)
    light = Light(profile)
    floats = picture.dtype.kind == "f"
    matrix = None if primaries is None else np.linalg.inv(to_srgb(primaries)).T
    for top in range(0, len(picture), STRIP):  # in strips, which need little memory
        rows = slice(top, top + STRIP)
        front, weight = picture[rows], alpha[rows]
        behind = np.broadcast_to(
            background[rows] if background.ndim == 3 else background, front.shape
        )
        if floats:
            far = light.of(behind.reshape(-1, 3))
            far = far if matrix is None else far @ matrix
            found = far.reshape(front.shape).astype(picture.dtype)
        else:
            found = behind.astype(picture.dtype)
            found *= np.iinfo(picture.dtype).max // 255
        soft = (weight > 0) & (weight < 1)
        out[rows] = np.where((weight > 0.5)[..., None], front, found)
        if soft.any():
            share = weight[soft, None]
            out[rows][soft] = _mixed(
                front[soft], share, found[soft], light if linear and not floats else None
            )
    return out


def _mixed(
    front: NDArray[Any], share: Floats, behind: NDArray[Any], light: Light | None
) -> NDArray[Any]:
    """Colours (n, 3) mixed by the share (n, 1) of the front; with ``light`` as light mixes."""
    if light is not None:
        far = light.of(behind)
        mixed = light.stored(far + share * (light.of(front) - far))
        mixed *= np.float32(np.iinfo(front.dtype).max)
    else:
        far = behind.astype(np.float32)
        mixed = far + share * (front.astype(np.float32) - far)
    if front.dtype.kind == "u":
        mixed += np.float32(0.5)
    return np.asarray(mixed.astype(front.dtype))


def read_background(text: str, size: tuple[int, int], profile: bytes | None = None) -> Bytes:
    """A colour's name or ``#rrggbb`` -> (3,); a file -> (H, W, 3) that covers ``size`` (W, H).

    Args:
        text: a colour in sRGB, or the name of a file.
        size: size of the picture in front of it.
        profile: ICC profile of that picture, to which the background's colours are converted.

    Raises:
        OptionError: neither a colour nor a file, or a colour with a channel outside of 0 to 255
            or with a transparency of its own.
    """
    picture = open_background(text)
    warn_of(picture.notes)
    return fit_background(picture, size, profile)


def open_background(text: str) -> Picture:
    """The picture of a background file, or one pixel of a colour; errors as `read_background`."""
    file = Path(text)
    if file.is_file():
        return open_picture(file)
    return read_colour(text, "is neither a colour (white, #00ff00) nor a file")


def read_colour(text: str, otherwise: str = "is no colour: give white, #00ff00 or so") -> Picture:
    """One pixel of a colour's name or ``#rrggbb``, in sRGB; no file is looked for.

    Raises:
        OptionError: no colour, which is said with the words ``otherwise``; a channel outside of 0
            to 255, or a transparency of its own.
    """
    try:
        channels = ImageColor.getrgb(text)
    except ValueError:
        raise OptionError(f"background {text!r} {otherwise}") from None
    if len(channels) > 3:
        raise OptionError(f"background {text!r} is transparent itself: give an opaque colour")
    return colour_picture(channels, repr(text))


def colour_picture(channels: tuple[int, ...], name: str) -> Picture:
    """One pixel of a colour.

    Args:
        channels: red, green and blue, 0 to 255.
        name: of the background in messages.

    Raises:
        OptionError: not three channels, or one outside of 0 to 255.
    """
    if len(channels) != 3:
        raise OptionError(f"background {name} has {len(channels)} channels: give red, green, blue")
    for channel in channels:
        check(f"background {name}: channel", channel, OPTIONS["colour"])
    return Picture(np.array([[channels]], np.uint8))


def fit_background(
    background: Picture, size: tuple[int, int], profile: bytes | None = None
) -> Bytes:
    """An opened background as :func:`read_background` gives it; one pixel is one colour."""
    pixels = convert_colours(background.pixels, background.profile, profile)
    if pixels.shape[:2] == (1, 1):
        colour: Bytes = pixels[0, 0]
        return colour
    return np.array(ImageOps.fit(Image.fromarray(pixels), size, Image.Resampling.BILINEAR))
