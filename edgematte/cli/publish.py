"""``edgematte publish``."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import add_json, print_json, print_written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "bundles", nargs="+", metavar="BUNDLE", help="of one net; the first is what `load` opens"
    )
    parser.add_argument("repository", metavar="OWNER/NAME", help="on the Hugging Face hub")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="write the repository there, and upload nothing"
    )
    parser.add_argument("--private", action="store_true", help="make the repository a private one")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Lay out a repository, and upload it or keep it."""
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    from edgematte.atomic import atomic_folder
    from edgematte.errors import OptionError
    from edgematte.publish.layout import lay_out
    from edgematte.publish.upload import check_name, upload
    from edgematte.runtime.bundle import open_bundle

    check_name(arguments.repository)
    if arguments.folder is not None and arguments.private:
        raise OptionError("private is of uploads: leave it out, or leave folder out")
    bundles = [open_bundle(bundle) for bundle in arguments.bundles]
    if arguments.folder is not None:
        with atomic_folder(arguments.folder) as folder:
            lay_out(bundles, arguments.repository, folder)
        print_written("folder", arguments.folder, arguments.json)
        return 0
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="edgematte-publish-")))
        lay_out(bundles, arguments.repository, folder)
        address = upload(folder, arguments.repository, private=arguments.private)
    if arguments.json:
        print_json({"commit": address})
    else:
        print(address)
    return 0
