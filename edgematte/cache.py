"""The folder in which edgematte keeps what would take long to make again."""

import contextlib
import os
import time
from pathlib import Path

DAY_S = 86400.0
MONTH_S = 30 * DAY_S
MOST_BYTES = 4 * 10**9
"""How much disk space each kind of thing may take."""


def cache_folder(name: str) -> Path:
    """The folder of one kind of thing, which may be missing.

    It lies in ``$EDGEMATTE_CACHE``, or else in ``edgematte`` in ``$XDG_CACHE_HOME``, by default
    ``~/.cache``.

    Raises:
        RuntimeError: there is no home.
    """
    if chosen := os.environ.get("EDGEMATTE_CACHE"):
        return Path(chosen) / name
    base = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if not base.is_absolute():  # as the XDG base directory specification wants it
        base = Path.home() / ".cache"
    return base / "edgematte" / name


def empty(folder: Path, most_bytes: int = MOST_BYTES) -> None:
    """Remove what was not used for a month; then, if the cache is too large, the oldest first.

    Nothing that was used in the last day is removed: another process may be reading it.
    """
    now = time.time()
    held = []
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):  # another process has removed it
            files = entry.rglob("*") if entry.is_dir() else [entry]
            size = sum(file.stat().st_size for file in files)
            held.append((entry.stat().st_mtime, size, entry))
    room = most_bytes
    for used, size, entry in sorted(held, reverse=True):
        room -= size
        unfinished = entry.name.startswith(".")  # left by a process that was killed
        if now - used > (MONTH_S if room >= 0 and not unfinished else DAY_S):
            if entry.is_dir():
                import shutil  # which takes long, and most starts remove nothing

                shutil.rmtree(entry, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    entry.unlink()
            room += size
