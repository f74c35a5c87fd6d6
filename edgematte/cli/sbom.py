"""``edgematte sbom``."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import add_json, put_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("bundle", nargs="?", help="default: the one that ships with edgematte")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: standard output"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write a bundle's bill of materials as CycloneDX JSON."""
    from edgematte.runtime.bundle import open_bundle
    from edgematte.trust.sbom import bill_of

    text = bill_of(open_bundle(arguments.bundle))
    put_text(text, arguments.output, "sbom", arguments.json)
    return 0
