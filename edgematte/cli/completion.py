"""``edgematte completion``: tab completion for shells, made from the parser by shtab."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from edgematte.errors import EngineError
from edgematte.extras import importing
from edgematte.nets import usable_variants
from edgematte.runtime.engines import ENGINES
from edgematte.targets import TARGETS

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
FOLDERS = {"DIR", "FOLDER"}
FILES = {"FILE", "IMAGE", "BUNDLE", "PATH", "MASK"}
"""What stands for a value in the help, where it is the name of a folder or of a file."""
NAMED = {"output", "bundle", "trimap", "mask", "background", "weights", "cascade", "calibration"}
"""Arguments whose values are names of files, whatever stands for them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("shell", choices=SHELLS, help="which shell the script is for")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from edgematte.cli import build_parser

    with importing("completion scripts need shtab", 'pip install "edgematte[shell]"', EngineError):
        import shtab
    parser, words = build_parser(), _words()
    for action in _actions(parser):
        if action.choices is not None or action.nargs == 0:
            continue
        if action.dest in words:
            action.choices = words[action.dest]  # of this parser, which parses nothing
        elif kind := _kind(action):
            action.complete = getattr(shtab, kind)  # type: ignore[attr-defined]
    print(shtab.complete(parser, arguments.shell))
    return 0


def _words() -> dict[str, list[str]]:
    """What arguments may be that come from tables: nets, those of installed packages too."""
    return {
        "model": list(usable_variants()),
        "target": list(TARGETS),
        "engine": list(ENGINES),
        "precision": list(dict.fromkeys(p for t in TARGETS.values() for p in t.precisions)),
    }


def _kind(action: argparse.Action) -> str:
    """shtab's name of what a value is: a folder, a file, or neither."""
    stands = str(action.metavar or action.dest).upper()
    if stands in FOLDERS:
        return "DIRECTORY"
    return "FILE" if stands in FILES or action.dest in NAMED or action.type is Path else ""


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
