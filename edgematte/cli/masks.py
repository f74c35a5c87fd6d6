"""What commands take of a mask: its options, and the trimap that is made of it."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edgematte.errors import OptionError, PictureError
from edgematte.ranges import check_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgematte.host import Size
    from edgematte.pictures import Picture
    from edgematte.sequences.trimaps import FrameTrimaps


def add_mask_options(parser: argparse.ArgumentParser) -> None:
    """``--band``, ``--invert-mask``, ``--fit-mask``."""
    group = parser.add_argument_group("of a mask")
    group.add_argument(
        "--band",
        type=int,
        metavar="PX",
        help="how far around what the mask shows is unknown, in pixels of the picture (default: "
        "from the sizes of both)",
    )
    group.add_argument(
        "--invert-mask", action="store_true", help="it is bright on the background, not the subject"
    )
    group.add_argument(
        "--fit-mask",
        action="store_true",
        help="stretch a mask of other proportions than the picture's",
    )


def refuse_masks(arguments: argparse.Namespace) -> None:
    """Refuse a mask beside a trimap, and what is said of a mask where there is none."""
    if arguments.mask and arguments.trimap:
        raise OptionError("--mask and --trimap were given: a trimap is made of a mask; give one")
    given = {
        "--band": arguments.band is not None,
        "--invert-mask": arguments.invert_mask,
        "--fit-mask": arguments.fit_mask,
    }
    for flag, there in given.items():
        if there and not arguments.mask:
            raise OptionError(f"{flag} is of a mask: give --mask FILE with it, or leave it out")
    check_options(band_px=arguments.band)


def masked(
    source: "Path | BinaryIO",
    picture: "Picture | None",
    arguments: argparse.Namespace,
    say: Callable[[str], None],
) -> "NDArray[np.uint8]":
    """The trimap of a mask, of the picture's size, or without one of its own.

    ``say`` is called with each line about what was odd in the file.

    Raises:
        PictureError: a file that is no mask of a subject, or of other proportions than the picture.
    """
    mask, name = _read(source, picture, say)
    size = mask.shape if picture is None else picture.pixels.shape
    return _trimap(mask, name, (size[1], size[0]), arguments)


def frame_trimaps(arguments: argparse.Namespace) -> "FrameTrimaps | None":
    """The trimaps or masks of a clip's or sequence's frames; None without any.

    Raises:
        OptionError, PictureError: as :class:`edgematte.sequences.trimaps.FrameTrimaps`.
    """
    from edgematte.sequences.trimaps import FrameTrimaps

    sparse = bool(arguments.carry)
    if arguments.trimap:
        return FrameTrimaps(arguments.trimap, sparse=sparse)
    if not arguments.mask:
        return None
    return FrameTrimaps(
        arguments.mask,
        "mask",
        sparse=sparse,
        make=lambda mask, name, size: _trimap(mask, name, size, arguments),
        fit=arguments.fit_mask,
    )


def _read(
    source: "Path | BinaryIO", picture: "Picture | None", say: Callable[[str], None]
) -> "tuple[NDArray[Any], Path | str]":
    from edgematte.pictures import read_mask_for

    mask, notes = read_mask_for(source, picture)
    for note in notes:
        say(note)
    return mask, source if isinstance(source, Path) else "the mask on standard input"


def _trimap(
    mask: "NDArray[Any]", name: "Path | str", size: "Size", arguments: argparse.Namespace
) -> "NDArray[np.uint8]":
    from edgematte.runtime.host.mask import proportional, trimap_from_mask

    own = mask.shape[1], mask.shape[0]
    if not arguments.fit_mask and not proportional(own, size):
        raise PictureError(
            f"{name} is {own[0]}x{own[1]}, its picture {size[0]}x{size[1]}: their proportions "
            "differ; give a mask of the whole picture, or --fit-mask to stretch this one"
        )
    try:
        return trimap_from_mask(
            mask, size, arguments.band, fit=arguments.fit_mask, invert=arguments.invert_mask
        )
    except PictureError as error:
        raise PictureError(f"{name}: {error}") from None
