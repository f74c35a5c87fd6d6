"""Hidden scratch files and folders beside what is written, locked by the process that writes.

Each destination has one name for its scratch. The lock ends with the process, however it ends. So
the next run with the same destination can tell the scratch of a killed run, which it removes, from
that of a run that is still writing.
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
except ImportError:  # Windows cannot lock folders: there every scratch has a name of its own
    fcntl = None  # type: ignore[assignment]

PREFIX = ".edgematte-"
FORMER = "former"  # the name, in a scratch folder, of the old destination while it is replaced
LONGEST_SUFFIX = 16  # longer endings are dropped, because names have at most 255 bytes


@contextmanager
def scratch_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """An empty file beside ``path``, with its ending and the permissions of any new file.

    It is removed at the end unless it has been renamed. With ``shared`` its name is unique, because
    others may write to the same path at the same time.

    Raises:
        OptionError: another run is writing to ``path``.
    """
    with _claimed(path, _new_file, shared) as place:
        yield place


@contextmanager
def scratch_folder(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """An empty folder beside ``path``; otherwise as :func:`scratch_file`."""
    with _claimed(path, _new_folder, shared) as place:
        yield place


def sweep(path: Path) -> None:
    """Remove what killed runs left when they were writing to ``path``; raises no error."""
    for place in path.parent.glob(f"{_stem(path)}*"):
        with contextlib.suppress(OSError):
            _clear_if_dead(place)


def lock(handle: int, *, process: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed.

    Args:
        handle: its file descriptor.
        process: the lock belongs to this process alone: forked children do not share it, and it
            ends with this process even if they live on. Closing any other descriptor of the file
            ends it, too.

    Returns:
        Whether the lock was taken; None if the file system has no locks.
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
    """The error for a run that finds the destination locked by another run."""
    return OptionError(
        f"{path} is being written by another run: wait for that one, or choose another output"
    )


def _stem(path: Path) -> str:
    return PREFIX + hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]


@contextmanager
def _claimed(path: Path, make: Callable[[Path], int | None], shared: bool) -> Iterator[Path]:
    place, handle = _claim(path, make, shared)
    process = os.getpid()
    try:
        yield place
    finally:
        if os.getpid() == process and _is(place, handle):  # a forked child leaves it alone
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
            except PermissionError:  # it belongs to another user
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
    """Remove a scratch that no process has locked; False if one has.

    Raises:
        PermissionError: the lock cannot be tested.
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
    """Remove a scratch; an old destination in it is moved back if nothing is at its place."""
    if not place.is_dir():
        place.unlink(missing_ok=True)
        return
    for former in (place / FORMER).iterdir() if (place / FORMER).is_dir() else ():
        if not os.path.lexists(place.parent / former.name):
            os.replace(former, place.parent / former.name)
    shutil.rmtree(place, ignore_errors=True)


def _new_file(place: Path) -> int | None:
    return _kept(os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))  # minus the umask


def _new_folder(place: Path) -> int | None:
    os.mkdir(place)
    return os.open(place, os.O_RDONLY) if fcntl is not None else None


def _kept(handle: int) -> int | None:
    """Close the file on Windows, which cannot rename open files."""
    if fcntl is not None:
        return handle
    os.close(handle)
    return None
