"""Makes the three standard streams usable when they are closed, full, or lack characters."""

import codecs
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import BinaryIO, TextIO

from edgematte.errors import EdgematteError, OptionError, PictureError

NAMES = "edgematte.names"
COMMANDS_LOG = "edgematte.cli"
OBEYED = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160)) if chr(n) not in "\n\t"}
"""Characters that a terminal obeys, and how they are shown."""


def _own_bytes(error: UnicodeError) -> tuple[bytes, int]:
    """Encode bytes of file names that are not text as they are, and other characters as ``?``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = (ord(c) for c in error.object[error.start : error.end])
    return bytes(c - 0xDC00 if 0xDC80 <= c <= 0xDCFF else ord("?") for c in codes), error.end


def settle() -> None:
    """Make the streams safe to use.

    A closed stream is replaced by the null device. Otherwise the next file that is opened would get
    its number, and Python would print messages for standard error to standard output. Characters
    that the encoding of standard output lacks are replaced.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    if sys.stdin is None:
        sys.stdin = open(os.devnull)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")
    codecs.register_error(NAMES, _own_bytes)
    if hasattr(sys.stdout, "reconfigure") and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors=NAMES)


def plain(text: str) -> str:
    """A text of which a terminal obeys nothing: bundles and names of files are other people's."""
    return text.translate(OBEYED)


def say(message: str) -> None:
    """Print a line on standard error; if that fails, the work goes on without it."""
    try:
        print(plain(message), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        abandon(sys.stderr)


def remark(message: str) -> None:
    """Say a line that `--quiet` leaves out: what is being done, or what was odd."""
    logging.getLogger(COMMANDS_LOG).info("%s", message)


def remarks() -> bool:
    """Whether remarks, and so bars of progress, are shown."""
    return logging.getLogger(COMMANDS_LOG).isEnabledFor(logging.INFO)


def abandon(stream: TextIO) -> None:
    """Drop what a stream has not yet written, so that the program can end without an error."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def as_program(name: str, main: Callable[[], None]) -> None:
    """Run a module as a program: an error is one line with its name, and exit code 2."""
    settle()
    try:
        main()
    except (EdgematteError, OSError) as problem:
        say(f"{name}: {problem}")
        sys.exit(2)


def input_bytes() -> BinaryIO:
    """Standard input.

    Raises:
        PictureError: it is closed.
    """
    if sys.stdin is None or _nowhere(sys.stdin):
        raise PictureError("standard input is closed: give the picture as a file")
    return sys.stdin.buffer


def output_bytes() -> BinaryIO:
    """Standard output, for a result that is no text.

    Raises:
        OptionError: it is closed.
    """
    if sys.stdout is None or _nowhere(sys.stdout):
        raise OptionError("standard output is closed: give -o FILE instead of -o -")
    return sys.stdout.buffer


def _nowhere(stream: TextIO) -> bool:
    return getattr(stream, "name", None) == os.devnull
