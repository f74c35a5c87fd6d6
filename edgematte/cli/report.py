"""``edgematte report``."""

import argparse
from collections import Counter
from pathlib import Path

from edgematte.cli.arguments import add_json, put_text
from edgematte.errors import OptionError

MOST = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "bundles",
        nargs="*",
        help="one, or two to be shown side by side (default: the one that ships)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.html", help="- for stdout"
    )
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
    from edgematte.page.content import content_of
    from edgematte.page.page import page
    from edgematte.pictures import read_picture

    if arguments.json and str(arguments.output) == "-":
        raise OptionError("--json says where the report is: give -o FILE.html with it, not -o -")
    if len(arguments.bundles) > MOST:
        raise OptionError(f"{len(arguments.bundles)} bundles: one, or two to be shown side by side")
    files = list(dict.fromkeys(arguments.image))
    names = Counter(file.name for file in files)
    pictures = [(f.name if names[f.name] == 1 else str(f), read_picture(f)) for f in files]
    bundles = arguments.bundles or [None]
    text = page([content_of(bundle, pictures, arguments.engine) for bundle in bundles])
    put_text(text, arguments.output, "report", arguments.json)
    return 0
