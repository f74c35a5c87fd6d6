"""The folder of a run: that of one run at a time, and never one with files of another origin."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgematte.errors import OptionError
from edgematte.scratch import busy, lock
from edgematte.training.engine.checkpoint import CONFIG, STATE, TABLE, WEIGHTS
from edgematte.training.engine.table import HEAD

HELD = ".edgematte-run"
"""An empty file that is locked while a run writes to its folder; one that was killed leaves it."""


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder whose weights, config or log no run that could go on has written.

    Raises:
        OptionError: a run would replace them.
    """
    if (folder / STATE).is_file() or (folder / HELD).is_file():
        return
    for name in (WEIGHTS, CONFIG, TABLE):
        if os.path.lexists(folder / name) and not (name == TABLE and _is_log(folder / name)):
            raise OptionError(
                f"{folder} holds {name}, and no run to go on with ({STATE}): it would be "
                "replaced; give another output"
            )


def _is_log(file: Path) -> bool:
    """Whether a table is one of a run; one that was killed before it saved left no more."""
    with file.open("rb") as stream:
        return stream.readline().startswith(HEAD[0].encode() + b",")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder.

    Raises:
        OptionError: another run writes to it.
    """
    file = folder / HELD
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if lock(handle, process=True) is False:
            raise busy(folder)
        try:
            yield
        finally:
            half = not (folder / STATE).is_file() and (folder / CONFIG).is_file()
            if not half and os.name != "nt":  # Windows removes no file that is open
                file.unlink(missing_ok=True)
    finally:
        os.close(handle)
