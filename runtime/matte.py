"""The result for one picture."""

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.errors import OptionError
from edgematte.pictures.cutouts import colour_picture, composite, cutout, fit_background
from edgematte.pictures.cutouts import open_background as open_named
from edgematte.pictures.depths import at_depth, in_bytes
from edgematte.pictures.formats import EXR, row_of
from edgematte.pictures.reading import Picture, warn_of
from edgematte.pictures.writing import write_picture
from edgematte.runtime.given_picture import PictureLike, take_picture
from edgematte.runtime.host.foreground import estimate_foreground

BackgroundLike: TypeAlias = PictureLike | tuple[int, int, int]
"""A colour's name, ``#rrggbb``, its three channels, or a picture as a Matter takes it."""


@dataclass(frozen=True)
class Matte:
    """The result for one picture.

    Examples:
        >>> import edgematte
        >>> from edgematte.testcard import testcard
        >>> matte = edgematte.load()(testcard(64, 48))
        >>> matte.image().size
        (64, 48)
        >>> matte.foreground.shape
        (48, 64, 3)
        >>> matte.composite("white").mode
        'RGB'
    """

    alpha: NDArray[np.float32]  # (H, W) in [0, 1]
    trimap: NDArray[np.uint8]  # (H, W): 0 background, 128 unknown, 255 foreground
    timings: dict[str, float]  # seconds by stage: host.reduce, graph.segment, ...
    odd_trimap_pixels: int = 0  # how many bytes of a given trimap were not 0, 127..129 or 255
    counts: dict[str, int] = field(default_factory=dict)  # such as regions found, refined
    picture: Picture | None = field(default=None, repr=False, compare=False)  # upright, not copied

    @cached_property
    def foreground(self) -> NDArray[Any]:
        """The subject's colours (H, W, 3) without the old background's tint in soft edges.

        As deep as the picture: uint8, uint16, or float16 or float32 of light. Where alpha is 1 they
        are the picture's own; where it is 0, those of nearby foreground. Estimated when it is first
        asked for.

        Raises:
            OptionError: the matte was made without a picture.
        """
        return estimate_foreground(self._of().colours, self.alpha)

    def image(self, *, foreground: bool = False, keep_colour: bool = False) -> Image.Image:
        """The cut-out as a PIL image: RGBA of 8 bits, straight, with the picture's profile.

        Args:
            foreground: take the old background's tint out of soft edges.
            keep_colour: keep the picture's colours where alpha is 0; by default it is black there.

        Raises:
            OptionError: the matte was made without a picture.
        """
        picture = self._of()
        colours = in_bytes(self.foreground, picture.primaries) if foreground else picture.pixels
        return self._as_image(cutout(colours, self.alpha, keep_colour=keep_colour))

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        foreground: bool = False,
        keep_colour: bool = False,
        png_level: int | None = None,
        premultiplied: bool | None = None,
        keep_exif: bool = False,
    ) -> None:
        """Write the cut-out, whole or not at all; the ending of the name is its format.

        As deep as the picture, where the format is.

        Args:
            path: such as ``cutout.png``; docs/pictures.md has a table of formats.
            foreground: as :meth:`image`.
            keep_colour: as :meth:`image`.
            png_level: how hard a PNG is compressed, 0 to 9.
            premultiplied: as :func:`edgematte.pictures.encode`.
            keep_exif: write the picture's EXIF too, without orientation, thumbnail and maker's
                notes.

        Raises:
            OptionError: a format that holds no alpha channel, such as JPEG, or is not known; also
                as :meth:`image`.
        """
        picture, file = self._of(), Path(path)
        row = row_of(file)
        colours = self.foreground if foreground else picture.colours
        array = cutout(
            at_depth(colours, row, picture.profile, picture.primaries),
            self.alpha,
            keep_colour=keep_colour,
        )
        write_picture(
            array,
            file,
            picture.profile,
            png_level=png_level,
            exif=picture.exif if keep_exif else None,
            premultiplied=premultiplied,
            header=picture.header if row.name == EXR else None,
            coding=picture.coding if row.name == "PNG" else None,
        )

    def composite(
        self, background: BackgroundLike, *, foreground: bool = False, gamma: bool = False
    ) -> Image.Image:
        """The subject in front of another background, as a PIL image, RGB.

        Args:
            background: a colour's name or ``#rrggbb``, its three channels from 0 to 255, or a
                picture in any form that a Matter takes, which is cut to cover the subject's.
                Colours are in sRGB, and are converted to the picture's profile.
            foreground: take the old background's tint out of soft edges.
            gamma: mix stored values; by default light is mixed, which leaves no dark rims.

        Raises:
            OptionError: a background that is neither; the matte was made without a picture.
            PictureError: a background that cannot be read.
        """
        picture = self._of()
        if picture.coding is not None:
            seen = replace(self, picture=picture.on_screen())
            return seen.composite(background, foreground=foreground, gamma=gamma)
        colours = in_bytes(self.foreground, picture.primaries) if foreground else picture.pixels
        size = colours.shape[1], colours.shape[0]
        behind = fit_background(open_background(background), size, picture.profile)
        mixed = composite(colours, self.alpha, behind, linear=not gamma, profile=picture.profile)
        return self._as_image(mixed)

    def _of(self) -> Picture:
        if self.picture is None:
            raise OptionError(
                "this matte was made without its picture: use edgematte.pictures.cutout with both"
            )
        return self.picture

    def _as_image(self, array: NDArray[Any]) -> Image.Image:
        image = Image.fromarray(array)
        if (profile := self._of().profile) is not None:
            image.info["icc_profile"] = profile
        return image


def open_background(given: BackgroundLike) -> Picture:
    """The picture of a background; of a colour one pixel.

    Raises:
        OptionError, PictureError: as :meth:`Matte.composite`.
    """
    if isinstance(given, str):
        picture = open_named(given)
        warn_of(picture.notes)
        return picture
    if isinstance(given, tuple | list):
        return colour_picture(tuple(given), str(given))
    return take_picture(given)
