"""``--crop``, ``--margin``, ``--size``: what part of a picture is written, and how large."""

import argparse
from typing import TYPE_CHECKING

from edgematte.cli.arguments import parse_size
from edgematte.errors import OptionError

if TYPE_CHECKING:
    from edgematte.pictures.framing import Framing


def add_framing(parser: argparse.ArgumentParser) -> None:
    """Arguments about what part of a picture is written."""
    group = parser.add_argument_group("of what is written of a picture")
    group.add_argument("--crop", action="store_true", help="the subject's box alone")
    group.add_argument(
        "--margin",
        metavar="PX|%",
        help="around that box, in pixels or as a share of its longer side: 24 or 5%% (default: 0)",
    )
    group.add_argument(
        "--size",
        metavar="WxH",
        help="of what is written: the picture or its crop is scaled to fit and lies in the middle",
    )


def framing_of(arguments: argparse.Namespace) -> "Framing":
    """What was asked for; by default whole pictures as they are.

    Raises:
        OptionError: a margin without a crop, or values that are none.
    """
    from edgematte.pictures.framing import Framing, Margin, parse_margin

    if arguments.margin is not None and not arguments.crop:
        raise OptionError("--margin is around the subject's box: give --crop with it")
    margin = Margin(0) if arguments.margin is None else parse_margin(arguments.margin)
    size = None if arguments.size is None else parse_size(arguments.size)
    return Framing(arguments.crop, margin, size)
