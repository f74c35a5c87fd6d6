"""The folder of a run: refused if it has other files, and locked against other runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgematte.errors import OptionError
from edgematte.scratch import busy, lock
from edgematte.training.engine.checkpoint import CONFIG, STATE, TABLE, WEIGHTS
from edgematte.training.engine.table import HEAD

HELD = ".edgematte-run"
"""An empty file that is locked while a run writes to the folder; a killed run leaves it."""


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder with weights, config or log that are not of a run that can go on.

    Raises:
        OptionError: a run would replace these files.
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
    """Whether a file is the log of a run: a run that was killed before it saved has only that."""
    with file.open("rb") as stream:
        return stream.readline().startswith(HEAD[0].encode() + b",")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock a folder against other runs.

    Raises:
        OptionError: another run is writing to it.
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
            if not half and os.name != "nt":  # Windows cannot remove open files
                file.unlink(missing_ok=True)
    finally:
        os.close(handle)
