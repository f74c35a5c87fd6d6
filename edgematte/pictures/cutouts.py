"""Making alpha files, cut-outs and composites from a picture and its alpha."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError, PictureError
from edgematte.pictures.light import Light
from edgematte.pictures.profiles import convert_colours
from edgematte.pictures.reading import Picture, open_picture, warn_of
from edgematte.ranges import ALPHA_BITS, OPTIONS, check

STRIP = 256  # rows that are worked on at a time


def alpha_bytes(alpha: Floats, bits: int = 8) -> NDArray[Any]:
    """Alpha (H, W) in [0, 1] -> uint8 or, with 16 bits, uint16, rounded to the nearest.

    Raises:
        OptionError: neither 8 nor 16 bits.
    """
    check("alpha_bits", bits, ALPHA_BITS)
    top, kind = (255, np.uint8) if bits == 8 else (65535, np.uint16)
    scaled: NDArray[Any] = (alpha * np.float32(top) + np.float32(0.5)).astype(kind)
    return scaled


def cutout(picture: Bytes, alpha: Floats, *, keep_colour: bool = False) -> Bytes:
    """The picture with alpha as its fourth channel: uint8 (H, W, 4), not premultiplied.

    Args:
        picture: uint8 (H, W, 3); a fourth channel is not used, because the matte of such a picture
            is multiplied by it already.
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
    return np.concatenate([colours, alpha_bytes(alpha)[..., None]], axis=2)


def without_hidden(picture: Bytes, alpha: Floats) -> Bytes:
    """The picture (H, W, 3), black where alpha (H, W), rounded to 8 bits, is 0."""
    return picture * (alpha_bytes(alpha) > 0)[..., None]


def composite(
    picture: Bytes,
    alpha: Floats,
    background: Bytes,
    *,
    linear: bool = False,
    profile: bytes | None = None,
) -> Bytes:
    """Eq. 1 of the paper: alpha * picture + (1 - alpha) * background, uint8 (H, W, 3).

    Args:
        picture: uint8 (H, W, 3).
        alpha: (H, W) in [0, 1].
        background: uint8 (H, W, 3), or (3,) for one colour, in the picture's profile.
        linear: mix light instead of stored values, as lenses do: a soft edge between red and green
            is not darker than both then.
        profile: ICC profile of picture and background, whose tone curves say what light a value
            stands for; None: sRGB.
    """
    out = np.empty_like(picture)
    light = Light(profile) if linear else None
    for top in range(0, len(picture), STRIP):  # in strips, which need little memory
        rows = slice(top, top + STRIP)
        weight = alpha[rows, :, None]
        behind = background[rows] if background.ndim == 3 else background
        if light is not None:
            _mix_light(picture[rows], alpha[rows], behind, light, out[rows])
            continue
        behind = behind.astype(np.float32)
        mixed = behind + weight * (picture[rows].astype(np.float32) - behind)
        out[rows] = (mixed + np.float32(0.5)).astype(np.uint8)
    return out


def _mix_light(front: Bytes, alpha: Floats, behind: Bytes, light: Light, out: Bytes) -> None:
    """Mix where alpha is between 0 and 1; the other pixels are those of the front or behind."""
    behind = np.broadcast_to(behind, front.shape)
    out[:] = np.where((alpha > 0.5)[..., None], front, behind)
    soft = (alpha > 0) & (alpha < 1)
    if soft.any():
        far = light.of(behind[soft])
        mixed = light.stored(far + alpha[soft, None] * (light.of(front[soft]) - far))
        out[soft] = (mixed * np.float32(255) + np.float32(0.5)).astype(np.uint8)


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
    try:
        channels = ImageColor.getrgb(text)
    except ValueError:
        raise OptionError(
            f"background {text!r} is neither a colour (white, #00ff00) nor a file"
        ) from None
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
