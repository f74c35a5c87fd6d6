"""``edgematte repository``."""

import argparse

from edgematte.cli.arguments import add_json, print_written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("bundle", nargs="?", help="default: the one that ships with edgematte")
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="a folder that is not there, or empty"
    )
    parser.add_argument(
        "--name", help="of the model; its graphs are NAME-GRAPH (default: the net's name)"
    )
    parser.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="bundles exported with --dynamic-batch: the largest batch (default: 8)",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the repository and print its folder."""
    from edgematte.export.triton.repository import lay_out
    from edgematte.runtime.bundle import open_bundle

    bundle = open_bundle(arguments.bundle)
    written = lay_out(bundle, arguments.output, name=arguments.name, batch=arguments.batch)
    print_written("repository", written, arguments.json)
    return 0
