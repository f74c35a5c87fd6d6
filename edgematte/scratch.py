"""Hidden scratch beside what is being written: one name a destination, locked by who writes it.

The lock goes with the process, however it ends. Who comes next to the same destination therefore
knows the scratch of a run that was killed, which is cleared, from that of one that still writes.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgematte.errors import OptionError

try:
    import fcntl
except ImportError:  # Windows, which has no locks of folders: there, each scratch has its own name
    fcntl = None  # type: ignore[assignment]

PREFIX = ".edgematte-"
FORMER = "former"  # in a scratch folder: what stood at the destination, while it is being replaced
LONGEST_SUFFIX = 16  # bytes of an ending that is kept: names have 255 at most


@contextmanager
def scratch_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """An empty file beside ``path``, with its ending and the permissions of any new file.

    Removed at the end unless it has been renamed. ``shared``: others may write to the same path
    at the same time; the name is one of its own.

    Raises:
        OptionError: another run is writing to ``path``.
    """
    with _claimed(path, _new_file, shared) as place:
        yield place


@contextmanager
def scratch_folder(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """An empty folder beside ``path``; else as :func:`scratch_file`."""
    with _claimed(path, _new_folder, shared) as place:
        yield place


def sweep(path: Path) -> None:
    """Clear what runs that are dead left of writing to ``path``; never raises."""
    for place in path.parent.glob(f"{_stem(path)}*"):
        with contextlib.suppress(OSError):
            _clear_if_dead(place)


def lock(handle: int, *, process: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed.

    Args:
        handle: its file descriptor.
        process: the lock is of this process alone: its forks have no part in it, and it ends with
            the process though they live on. Closing any other descriptor of the file ends it too.

    Returns:
        Whether it could be had; None where the file system has no locks.
    """
    if fcntl is None:
        return None
    try:
        (fcntl.lockf if process else fcntl.flock)(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def busy(path: Path) -> OptionError:
    """The error of who comes second."""
    return OptionError(
        f"{path} is being written by another run: wait for that one, or choose another output"
    )


def _stem(path: Path) -> str:
    return PREFIX + hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]


@contextmanager
def _claimed(path: Path, make: Callable[[Path], int | None], shared: bool) -> Iterator[Path]:
    place, handle = _claim(path, make, shared)
    try:
        yield place
    finally:
        if _is(place, handle):
            _clear(place)
        if handle is not None:
            os.close(handle)


def _claim(path: Path, make: Callable[[Path], int | None], shared: bool) -> tuple[Path, int | None]:
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= LONGEST_SUFFIX else ""
    own_name = shared or fcntl is None
    while True:
        own = f"-{secrets.token_hex(6)}" if own_name else ""
        place = path.with_name(f"{_stem(path)}{own}{suffix}")
        try:
            handle = make(place)
        except FileExistsError:
            try:
                if not own_name and _clear_if_dead(place) is False:
                    raise busy(path) from None
            except PermissionError:  # another user's
                own_name = True
            continue
        locked = lock(handle) if handle is not None else None
        if own_name or (locked and _is(place, handle)):
            return place, handle
        if locked is None:
            _clear(place)
            own_name = True
        if handle is not None:
            os.close(handle)


def _clear_if_dead(place: Path) -> bool:
    """Clear a scratch that nobody holds; False: somebody does.

    Raises:
        PermissionError: that cannot be known.
    """
    try:
        handle = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return True
    try:
        locked = lock(handle)
        if locked is None:
            raise PermissionError
        if locked and _is(place, handle):
            _clear(place)
        return locked
    finally:
        os.close(handle)


def _is(place: Path, handle: int | None) -> bool:
    """Whether an open file or folder still has this name."""
    if handle is None:
        return place.exists()
    try:
        return os.path.samestat(os.lstat(place), os.fstat(handle))
    except OSError:
        return False


def _clear(place: Path) -> None:
    """Remove a scratch; what it holds of the destination goes back if nothing has come there."""
    if not place.is_dir():
        place.unlink(missing_ok=True)
        return
    for former in (place / FORMER).iterdir() if (place / FORMER).is_dir() else ():
        if not os.path.lexists(place.parent / former.name):
            os.replace(former, place.parent / former.name)
    shutil.rmtree(place, ignore_errors=True)


def _new_file(place: Path) -> int | None:
    return _kept(os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))  # less the umask


def _new_folder(place: Path) -> int | None:
    os.mkdir(place)
    return os.open(place, os.O_RDONLY) if fcntl is not None else None


def _kept(handle: int) -> int | None:
    """Windows renames no file that is open."""
    if fcntl is not None:
        return handle
    os.close(handle)
    return None
