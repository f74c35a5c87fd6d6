"""Reading folders of pictures: bad files are reported and skipped, wrong files are refused."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from tqdm import tqdm

from edgematte.errors import PictureError
from edgematte.pictures.folders import sort_files

log = logging.getLogger(__name__)

T = TypeVar("T")
MEMORY_BYTES = 3 << 30


class UnfitError(PictureError):
    """A picture can be read but does not belong into its folder; the whole run is refused."""


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder, by the ending of their names, sorted.

    Raises:
        PictureError: no such folder, or none in it.
    """
    if not folder.is_dir():
        why = ", which is a file: unpack archives, and give the folder" if folder.exists() else ""
        raise PictureError(f"no folder at {folder}{why}")
    files, _ = sort_files(folder.iterdir())
    if not files:
        raise PictureError(f"no pictures in {folder}: expected .png, .jpg or another known ending")
    return files


@dataclass
class Reading:
    """How much memory reading the folders of a run has left, and which files were skipped.

    `free_bytes` is the memory that decoded pictures may still take; `skipped` has a line for each
    skipped file, with its path and the reason.
    """

    free_bytes: int = MEMORY_BYTES
    skipped: list[str] = field(default_factory=list)
    bar: bool = False

    def skip(self, file: Path, reason: object) -> None:
        """Skip a file, and report it."""
        self.skipped.append(f"{file}: {reason}")
        log.warning("skipped %s: %s", file, reason)


class Pictures(Sequence[T], Generic[T]):
    """Pictures of one folder, decoded in memory; those that do not fit are read when needed."""

    def __init__(self, files: list[Path], read: Callable[[Path], T], kept: dict[int, T]) -> None:
        self.files, self.read, self.kept = files, read, kept

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self.files)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "Pictures[T]": ...
    def __getitem__(self, index: Any) -> Any:
        """The picture of this index."""
        return self.kept[index] if index in self.kept else self.read(self.files[index])

    def __iter__(self) -> Iterator[T]:
        """All pictures in order."""
        return (self[i] for i in range(len(self)))


def read_all(
    files: Sequence[Path],
    read: Callable[[Path], T | None],
    size: Callable[[T], int],
    reading: Reading,
) -> Pictures[T]:
    """Decode every file once; keep those that fit into memory.

    Args:
        read: returns a picture, or None if it shows no subject; raises PictureError if it cannot be
            read (the file is skipped), and UnfitError if it does not belong into the folder.
        size: returns the bytes that a picture takes.

    Raises:
        PictureError: none of the files can be used.
    """
    good: list[Path] = []
    kept: dict[int, T] = {}
    folder = files[0].parent if files else Path()
    for file in tqdm(files, desc=f"reading {folder.name}", unit="", disable=not reading.bar):
        try:
            picture = read(file)
        except UnfitError:
            raise
        except PictureError as error:
            reading.skip(file, error)
            continue
        if picture is None:
            reading.skip(file, "shows nothing, its alpha is 0 everywhere")
            continue
        if size(picture) <= reading.free_bytes:
            reading.free_bytes -= size(picture)
            kept[len(good)] = picture
        good.append(file)
    if files and not good:
        raise PictureError(f"none of the {len(files)} pictures in {folder} can be used")
    return Pictures(good, Certain(read), kept)


@dataclass(frozen=True)
class Certain(Generic[T]):
    """Reads files that could be read when the run began."""

    read: Callable[[Path], T | None]

    def __call__(self, file: Path) -> T:
        """The picture of a file."""
        picture = self.read(file)
        if picture is None:
            raise PictureError(f"{file} changed since the run began: its alpha is 0 now")
        return picture
