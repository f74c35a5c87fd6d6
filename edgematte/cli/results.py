"""What commands take of results: which are written of a picture, and how they look."""

import argparse
from typing import TYPE_CHECKING

from edgematte.cli.framing import add_framing, framing_of
from edgematte.errors import OptionError
from edgematte.ranges import ALPHA_BITS, ALPHAS, KINDS, OPTIONS, check

if TYPE_CHECKING:
    from edgematte.pictures import Picture
    from edgematte.pictures.results import ResultOptions


def add_results(parser: argparse.ArgumentParser) -> None:
    """``--write`` and how what it names looks."""
    parser.add_argument(
        "--write",
        nargs="+",
        choices=KINDS,
        default=["cutout"],
        help="what to write (default: cutout)",
    )
    parser.add_argument(
        "--alpha-bits",
        type=int,
        choices=ALPHA_BITS,
        help="of alpha files; 32: floats (default: 8, of EXR 32)",
    )
    parser.add_argument(
        "--alpha",
        choices=ALPHAS,
        help="of cut-outs: whether colours are multiplied by alpha, which TIFF and EXR can say "
        "(default: straight, in EXR premultiplied)",
    )
    parser.add_argument(
        "--png-level",
        type=int,
        metavar="N",
        help="of PNG files, from 0, stored, to 9, smallest and slow (default: 1)",
    )
    parser.add_argument("--background", help="a colour or a picture, instead of transparency")
    parser.add_argument(
        "--gamma-composite",
        action="store_true",
        help="before a background, mix stored values where edges are soft (default: mix light)",
    )
    parser.add_argument(
        "--foreground",
        action="store_true",
        help="in cut-outs, take the old background's tint out of soft edges",
    )
    parser.add_argument(
        "--ignore-alpha",
        action="store_true",
        help="matte what the own transparency of a picture or clip hides too (default: it stays "
        "hidden)",
    )
    parser.add_argument(
        "--keep-colour",
        action="store_true",
        help="in cut-outs, keep the background's colours where alpha is 0 (default: black)",
    )
    parser.add_argument(
        "--keep-exif",
        action="store_true",
        help="write the picture's EXIF into cut-outs too, without orientation, thumbnail and the "
        "maker's notes (default: none)",
    )
    add_framing(parser)


def refuse_results(arguments: argparse.Namespace) -> None:
    """Refuse what has no meaning for the results that are written."""
    if (arguments.background or arguments.foreground) and "cutout" not in arguments.write:
        raise OptionError("--background and --foreground need a cutout among what --write names")
    if arguments.gamma_composite and not arguments.background:
        raise OptionError("--gamma-composite is of a background: give --background with it")
    if arguments.keep_colour and ("cutout" not in arguments.write or arguments.background):
        raise OptionError("--keep-colour needs a cutout with transparency among what is written")
    if arguments.alpha and ("cutout" not in arguments.write or arguments.background):
        raise OptionError("--alpha needs a cutout with transparency among what is written")
    if arguments.alpha == "premultiplied" and arguments.keep_colour:
        raise OptionError(
            "--keep-colour has no meaning with premultiplied colours, which are 0 where alpha is; "
            "leave it out"
        )
    if arguments.keep_exif and "cutout" not in arguments.write:
        raise OptionError("--keep-exif needs a cutout among what --write names")
    if arguments.alpha_bits and "alpha" not in arguments.write:
        raise OptionError("--alpha-bits needs an alpha among what --write names")
    if arguments.png_level is not None:
        check("--png-level", arguments.png_level, OPTIONS["png_level"])
    framing_of(arguments)


def results_of(arguments: argparse.Namespace, behind: "Picture | None") -> "ResultOptions":
    """How results look; ``behind`` is the opened background."""
    from edgematte.pictures.results import ResultOptions

    return ResultOptions(
        arguments.alpha_bits,
        behind,
        arguments.foreground,
        arguments.keep_colour,
        arguments.ignore_alpha,
        arguments.png_level,
        not arguments.gamma_composite,
        arguments.keep_exif,
        None if arguments.alpha is None else arguments.alpha == "premultiplied",
        framing_of(arguments),
    )
