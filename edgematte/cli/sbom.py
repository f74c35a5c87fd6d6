"""``edgematte sbom``."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import add_json, print_written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("bundle", nargs="?", help="default: the one that ships with edgematte")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: standard output"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write a bundle's bill of materials as CycloneDX JSON."""
    from edgematte.atomic import atomic_file
    from edgematte.runtime.bundle import open_bundle
    from edgematte.trust.sbom import bill_of

    text = bill_of(open_bundle(arguments.bundle))
    if arguments.output is None:
        print(text, end="")
        return 0
    with atomic_file(arguments.output) as scratch:
        scratch.write_text(text, encoding="utf-8")
    print_written("sbom", arguments.output, arguments.json)
    return 0
