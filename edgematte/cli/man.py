"""``edgematte man``: the manual page, made from the parser by argparse-manpage."""

import argparse

import edgematte
from edgematte.errors import EngineError
from edgematte.extras import importing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has none."""


def run(arguments: argparse.Namespace) -> int:
    """Print the page as roff."""
    from edgematte.cli import build_parser

    with importing(
        "the manual page needs argparse-manpage",
        'pip install "edgematte[shell]"',
        EngineError,
    ):
        from argparse_manpage.manpage import Manpage
    parser = build_parser()
    page = Manpage(parser)
    page.description, page.manual = parser.description, "edgematte"
    page.source = f"edgematte {edgematte.__version__}"
    print(page)
    return 0
