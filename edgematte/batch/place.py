"""Where a batch reads and writes: the local file system, or what fsspec opens by a URL."""

import errno
import posixpath
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgematte.atomic import atomic_file
from edgematte.errors import OptionError
from edgematte.extras import importing

PIP = 'pip install "edgematte[batch]"'
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Errors of a file system that has no space left, for all or for this user."""


def is_url(text: str) -> bool:
    """Whether fsspec opens it; everything else is a path of the local file system."""
    return "://" in text


def opened(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the URL's path in it.

    Raises:
        OptionError: fsspec, or the package that it needs for this kind of URL, is not installed,
            or it knows no such kind.
    """
    with importing(f"{url} is opened with fsspec, which is missing", PIP, OptionError):
        from fsspec.core import url_to_fs
    try:
        system, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise OptionError(f"{url} cannot be opened by fsspec ({error})") from None
    return system, path


@dataclass(frozen=True)
class Place:
    """A folder that results are written to, on a local file system or behind a URL."""

    root: str

    @property
    def folder(self) -> Path | None:
        """The local folder; None behind a URL."""
        return None if is_url(self.root) else Path(self.root)

    def at(self, name: str) -> str:
        """The path or URL of a file in it."""
        return posixpath.join(self.root, name) if self.folder is None else str(self.folder / name)

    def write(self, name: str, data: bytes, *, patience_s: int = 0) -> None:
        """Write a file whole or not at all; folders above it are made.

        ``patience_s``: how long to wait for a process that is writing it, and is about to end.
        """
        if self.folder is not None:
            local = self.folder / name
            local.parent.mkdir(parents=True, exist_ok=True)
            for left in range(patience_s, -1, -1):
                try:
                    with atomic_file(local) as scratch:
                        scratch.write_bytes(data)
                    return
                except OptionError:
                    if not left:
                        raise
                    time.sleep(1)
        system, path = opened(self.at(name))
        system.makedirs(posixpath.dirname(path), exist_ok=True)
        system.pipe_file(path, data)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A stream of a file that is written whole or not at all."""
        if self.folder is not None:
            with atomic_file(self.folder / name) as scratch, scratch.open("wb") as stream:
                yield stream
            return
        with tempfile.NamedTemporaryFile() as temporary:
            yield temporary.file
            temporary.flush()
            system, remote = opened(self.at(name))
            system.put_file(temporary.name, remote)

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None if there is no such file."""
        return read_whole(self.at(name))

    def holds(self, name: str) -> bool:
        """Whether there is such a file."""
        if self.folder is not None:
            return (self.folder / name).is_file()
        system, path = opened(self.at(name))
        return bool(system.isfile(path))

    def names(self, folder: str = "") -> list[str]:
        """Sorted names of what lies in it, or in a folder of it; none if that is missing."""
        if self.folder is not None:
            place = self.folder / folder
            return sorted(p.name for p in place.iterdir()) if place.is_dir() else []
        system, path = opened(self.at(folder))
        try:
            found = system.ls(path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(posixpath.basename(name.rstrip("/")) for name in found)

    def remove(self, name: str) -> None:
        """Remove a file, or a folder if it is empty."""
        if self.folder is None:
            system, path = opened(self.at(name))
            if system.exists(path):  # object stores have no folders
                system.rm(path)
        elif (self.folder / name).is_dir():
            if not any((self.folder / name).iterdir()):
                (self.folder / name).rmdir()
        else:
            (self.folder / name).unlink(missing_ok=True)


def read_whole(text: str) -> bytes | None:
    """The bytes of a path or URL; None if there is nothing."""
    try:
        if not is_url(text):
            return Path(text).read_bytes()
        system, path = opened(text)
        data: bytes = system.cat_file(path)
        return data
    except FileNotFoundError:
        return None


def read_range(text: str, start: int, size: int) -> bytes:
    """A part of a file, from byte ``start`` on."""
    if not is_url(text):
        with open(text, "rb") as stream:
            stream.seek(start)
            return stream.read(size)
    system, path = opened(text)
    data: bytes = system.cat_file(path, start=start, end=start + size)
    return data


def open_to_read(text: str) -> Any:
    """A path or URL as a binary stream that can seek.

    Raises:
        OSError: there is no such file, or it cannot be read.
    """
    if not is_url(text):
        return open(text, "rb")
    system, path = opened(text)
    return system.open(path, "rb")
