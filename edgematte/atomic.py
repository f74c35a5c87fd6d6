"""Writing files and folders whole or not at all.

A symbolic link as destination is written through: what it points to is replaced, the link stays.
What is new gets the permissions that the umask leaves; what replaces something gets those that
this had.
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

FILLED = "new"  # in a scratch folder: what becomes the destination


@contextmanager
def atomic_folder(
    path: Path,
    *,
    replaceable: Callable[[Path], None] | None = None,
    shared: bool = False,
) -> Iterator[Path]:
    """A hidden folder to fill; renamed to ``path`` when the body ends, removed when it raises.

    Args:
        path: what is written; an empty folder there is taken, parents that are missing are made.
        replaceable: raises for a ``path`` that may not be replaced, and is asked again when the
            new one is whole; only then the former one goes. None: nothing is replaced.
        shared: several may make the same thing at once: the first one's stays, and the others drop
            theirs.

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
            target.rmdir()  # an empty one
        if os.path.lexists(target):
            if shared and target.is_dir():
                return
            _refuse(path, target, replaceable)
            (scratch / FORMER).mkdir()
            os.replace(target, scratch / FORMER / target.name)  # back by itself if all ends here
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
        OptionError: ``path`` is no file, or another run is writing to it.
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
    """Where writing to a path ends: links are followed, one to nothing too."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.stat()  # a loop of links, or a name too long
    return Path(os.path.realpath(path))


def _refuse(path: Path, target: Path, replaceable: Callable[[Path], None] | None) -> None:
    """Raise if what stands at the destination has to stay."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if replaceable is None:
        raise OptionError(f"{path} exists by now: choose another output")
    replaceable(path)


@contextmanager
def _parents(target: Path) -> Iterator[None]:
    """Folders on the way to a path; those that were made go when nothing comes to be in them."""
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
    """The umask's permissions for all that a folder holds: other libraries copy private files."""
    for place, folders, files in os.walk(folder):
        for name in folders:
            (Path(place) / name).chmod(mode)
        for name in files:
            if not (Path(place) / name).is_symlink():
                (Path(place) / name).chmod(mode & 0o666)


def _keep_permissions(scratch: Path, target: Path) -> None:
    """The permissions, and if allowed the owner, of what is replaced."""
    try:
        former = target.stat()
    except FileNotFoundError:
        return
    own = scratch.stat()
    if (own.st_uid, own.st_gid) != (former.st_uid, former.st_gid):
        with contextlib.suppress(OSError):
            os.chown(scratch, former.st_uid, former.st_gid)
    scratch.chmod(stat.S_IMODE(former.st_mode))
