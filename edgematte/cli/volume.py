"""How much a command says on standard error: `--quiet`, `--verbose`, and the library's logging.

Every module of edgematte logs by the standard library's `logging`, under its own name. A program
that uses edgematte as a library sees what it asks `logging` for. The command line shows INFO and
above; `--quiet` WARNING and above, so that failures are still told; `--verbose` DEBUG and above.
"""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from edgematte.cli.streams import COMMANDS_LOG, say

ROOT = "edgematte"


def add_volume(parser: argparse.ArgumentParser) -> None:
    """``--quiet`` and ``--verbose``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-q", "--quiet", action="store_true", help="say failures alone: no stages, bars or remarks"
    )
    group.add_argument(
        "-v", "--verbose", action="store_true", help="also say what each part of the program does"
    )


class _Said(logging.Handler):
    """Prints records as lines of standard error that never fail the work."""

    def emit(self, record: logging.LogRecord) -> None:
        """Remarks of the command as they are, the library's with where they come from."""
        message = record.getMessage()
        if record.name == COMMANDS_LOG:
            say(message)
        elif record.levelno >= logging.INFO:
            say(f"{ROOT}: {message}")
        else:
            say(f"{record.name}: {message}")


@contextmanager
def volume(arguments: argparse.Namespace) -> Iterator[None]:
    """Show what a command was asked to say, for as long as it runs."""
    level = logging.INFO
    if arguments.quiet:
        level = logging.WARNING
    elif arguments.verbose:
        level = logging.DEBUG
    log, handler = logging.getLogger(ROOT), _Said()
    before, passes_on = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(level)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
        log.propagate = passes_on
