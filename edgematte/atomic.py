"""Writing files and folders whole or not at all.

Where the destination is a symbolic link, the file it points to is replaced and the link stays. New
files get the permissions that the umask leaves; a file that replaces another gets the permissions
of the old one.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgematte.errors import OptionError
from edgematte.scratch import FORMER, scratch_file, scratch_folder

FILLED = "new"  # the name, in a scratch folder, of what becomes the destination


@contextmanager
def atomic_folder(
    path: Path,
    *,
    replaceable: Callable[[Path], None] | None = None,
    shared: bool = False,
) -> Iterator[Path]:
    """A hidden folder to fill; renamed to ``path`` when the body ends, removed when it raises.

    Args:
        path: the folder to write. It may be an empty folder; missing parents are made.
        replaceable: raises an error if ``path`` may not be replaced. It is called first, and again
            when the new folder is whole; then the old one is removed. None: nothing is replaced.
        shared: several processes may make the same folder at once: the first one to finish keeps
            its folder, and the others drop theirs.

    Raises:
        OptionError: ``path`` holds something, or another run is writing to it.
    """
    target = _target(path)
    with _parents(target), scratch_folder(target, shared=shared) as scratch:
        if not shared:
            _refuse(path, target, replaceable)
        filled = scratch / FILLED
        filled.mkdir()
        mode = stat.S_IMODE(filled.stat().st_mode)
        yield filled
        _permit(filled, mode)
        _keep_permissions(filled, target)
        with contextlib.suppress(OSError):
            target.rmdir()  # it is empty
        if os.path.lexists(target):
            if shared and target.is_dir():
                return
            _refuse(path, target, replaceable)
            (scratch / FORMER).mkdir()
            os.replace(target, scratch / FORMER / target.name)  # restored if the process ends here
        try:
            os.replace(filled, target)
        except OSError:
            if shared and target.is_dir():
                return
            _refuse(path, target, None)
            raise


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A hidden file to write; renamed to ``path`` when the body ends, removed when it raises.

    Raises:
        OptionError: ``path`` is not a file, or another run is writing to it.
    """
    target = _target(path)
    if target.exists() and not target.is_file():
        raise OptionError(f"{path} is not a file: give the name of one, or a new name")
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    with scratch_file(target) as scratch:
        yield scratch
        _keep_permissions(scratch, target)
        os.replace(scratch, target)


def _target(path: Path) -> Path:
    """The place that writing to a path writes to: follows links, also those that lead nowhere."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.stat()  # raises for a loop of links or too long a name
    return Path(os.path.realpath(path))


def _refuse(path: Path, target: Path, replaceable: Callable[[Path], None] | None) -> None:
    """Raise an error if what is at the destination must not be replaced."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if replaceable is None:
        raise OptionError(f"{path} exists by now: choose another output")
    replaceable(path)


@contextmanager
def _parents(target: Path) -> Iterator[None]:
    """Make the missing folders above a path; remove them again if they stay empty."""
    missing = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _permit(folder: Path, mode: int) -> None:
    """Give all files in a folder the umask's permissions: some libraries make files private."""
    for place, folders, files in os.walk(folder):
        for name in folders:
            (Path(place) / name).chmod(mode)
        for name in files:
            if not (Path(place) / name).is_symlink():
                (Path(place) / name).chmod(mode & 0o666)


def _keep_permissions(scratch: Path, target: Path) -> None:
    """Take over the permissions, and if allowed the owner, of what is replaced."""
    try:
        former = target.stat()
    except FileNotFoundError:
        return
    own = scratch.stat()
    if (own.st_uid, own.st_gid) != (former.st_uid, former.st_gid):
        with contextlib.suppress(OSError):
            os.chown(scratch, former.st_uid, former.st_gid)
    scratch.chmod(stat.S_IMODE(former.st_mode))
