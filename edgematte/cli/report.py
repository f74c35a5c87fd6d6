"""``edgematte report``."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import add_json, print_written
from edgematte.errors import OptionError

MOST = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "bundles",
        nargs="*",
        help="one, or two to be shown side by side (default: the one that ships)",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.html")
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="also show this picture; may be given several times",
    )
    parser.add_argument("--engine", help="to run them with (default: the bundle's own)")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the bundles here and write one page about them."""
    from edgematte.atomic import atomic_file
    from edgematte.page.content import content_of
    from edgematte.page.page import page
    from edgematte.pictures import read_picture

    if len(arguments.bundles) > MOST:
        raise OptionError(f"{len(arguments.bundles)} bundles: one, or two to be shown side by side")
    pictures = [(file.name, read_picture(file)) for file in arguments.image]
    bundles = arguments.bundles or [None]
    text = page([content_of(bundle, pictures, arguments.engine) for bundle in bundles])
    with atomic_file(arguments.output) as scratch:
        scratch.write_text(text, encoding="utf-8")
    print_written("report", arguments.output, arguments.json)
    return 0
