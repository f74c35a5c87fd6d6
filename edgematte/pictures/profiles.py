"""ICC profiles: which of them fit RGB pixels, and converting colours between two profiles."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from edgematte.arrays import Bytes
from edgematte.errors import PictureError

BRIGHT = 192  # *chosen*: an honest profile's white is 255 in every channel, or nearly
ROUNDED = 2  # levels that the sRGB profiles of cameras and of LittleCMS differ by
SPACE = slice(16, 20)  # bytes of a profile that name its colour space (ICC.1, 7.2)


def profile_of(image: Image.Image, name: str) -> tuple[bytes | None, tuple[str, ...]]:
    """The profile of a picture's RGB pixels, and a note where one was left out.

    A profile for other channels (CMYK, grey) does not fit pixels that were converted to RGB. A
    profile from which and to which colours cannot be converted is left out, too. CMYK pixels are
    converted by their own profile, see :func:`cmyk_colours`, and have none then.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return None, ()
    space = profile[SPACE].decode("latin-1").strip()
    if image.mode == "CMYK":
        if space != "CMYK":
            said = space or "nothing"
            return None, (f"{name}: its colour profile is for {said}, not CMYK, and was dropped",)
        if _from_cmyk(bytes(profile)) is None:
            return None, (f"{name}: its colour profile cannot be read and was dropped",)
        return None, ()
    if space == "GRAY" and image.mode in ("L", "LA", "1", "I;16"):
        return None, ()  # three equal channels are grey in sRGB, too
    if space not in ("RGB", ""):
        return None, (f"{name}: its colour profile is for {space}, not RGB, and was dropped",)
    if not _converts(bytes(profile)):
        return None, (f"{name}: its colour profile cannot be read and was dropped",)
    if not _shows_white(bytes(profile)):
        return None, (
            f"{name}: its colour profile makes white or black another colour, and lies: "
            "it was dropped",
        )
    return bytes(profile), ()


@lru_cache(16)
def _converts(profile: bytes) -> bool:
    """Whether colours can be converted from a profile and to it; tested once for each profile."""
    black = np.zeros((1, 1, 3), np.uint8)
    try:
        convert_colours(black, profile, None)
        convert_colours(black, None, profile)
    except PictureError:
        return False
    return True


@lru_cache(4)
def _from_cmyk(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """LittleCMS's way from a CMYK profile to sRGB; None where there is none."""
    try:
        first = ImageCms.getOpenProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(first, ImageCms.createProfile("sRGB"), "CMYK", "RGB")
    except (ImportError, OSError, ImageCms.PyCMSError):
        return None


def cmyk_colours(image: Image.Image) -> Bytes | None:
    """CMYK pixels in sRGB (H, W, 3), by their own profile; None for others and without one."""
    profile = image.info.get("icc_profile")
    if image.mode != "CMYK" or not profile or profile[SPACE] != b"CMYK":
        return None
    way = _from_cmyk(bytes(profile))
    turned = None if way is None else ImageCms.applyTransform(image, way)
    return None if turned is None else np.array(turned)


def in_srgb(colours: Bytes, profile: bytes | None) -> Bytes:
    """RGB (H, W, 3) in a profile -> in sRGB; the same array where the profile is as sRGB."""
    if profile is None or is_srgb(profile):
        return colours
    return convert_colours(colours, profile, None)


@lru_cache(16)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile's colours are those of sRGB, within what bytes round."""
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    found = convert_colours(grid, profile, None)
    return bool(np.abs(found.astype(int) - grid).max() <= ROUNDED)


@lru_cache(16)
def _shows_white(profile: bytes) -> bool:
    """Whether white is bright in a profile, and black dark, as in any of a screen or camera."""
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    black, white = convert_colours(ends, profile, None)[0]
    return bool(black.max() <= 255 - BRIGHT and white.min() >= BRIGHT)


def convert_colours(colours: Bytes, source: bytes | None, target: bytes | None) -> Bytes:
    """RGB (H, W, 3) in one profile -> in another; None is sRGB.

    Raises:
        PictureError: a profile is damaged, or Pillow was built without LittleCMS.
    """
    if source == target:
        return colours
    try:
        first, second = (
            ImageCms.createProfile("sRGB") if p is None else ImageCms.getOpenProfile(io.BytesIO(p))
            for p in (source, target)
        )
        picture = Image.fromarray(colours)
        turned = ImageCms.profileToProfile(picture, first, second, outputMode="RGB")
    except (ImportError, OSError, ImageCms.PyCMSError) as error:
        raise PictureError(
            f"colours cannot be converted between their profiles ({error}); convert the picture "
            "to sRGB first"
        ) from None
    assert turned is not None
    return np.array(turned)
