"""``edgematte sign``."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import add_json, print_written
from edgematte.errors import OptionError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("bundle", nargs="?", help="the folder to sign; left out with --new-key")
    parser.add_argument("--key", type=Path, metavar="FILE", help="an Ed25519 private key")
    parser.add_argument(
        "--new-key",
        type=Path,
        metavar="FILE",
        help="make a key; the public one, to give to those who verify, is FILE.pub",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Sign a bundle and print the path of its signature, or make a key and print its public one."""
    from edgematte.runtime.bundle import open_bundle
    from edgematte.trust.signature import make_key, sign

    if (arguments.new_key is None) == (arguments.key is None):
        raise OptionError("give --key FILE to sign with, or --new-key FILE to make one")
    if arguments.new_key is not None:
        if arguments.bundle is not None:
            raise OptionError("--new-key makes a key and signs nothing: leave out the bundle")
        print_written("public_key", make_key(arguments.new_key), arguments.json)
        return 0
    if arguments.bundle is None:
        raise OptionError("give the bundle to sign")
    written = sign(open_bundle(arguments.bundle), arguments.key)
    print_written("signature", written, arguments.json)
    return 0
