"""Pictures that arrive in a folder, each of them given once, when it is whole."""

from collections.abc import Callable
from pathlib import Path

from edgematte.errors import PictureError

INTERVAL_S = 0.5
"""Seconds between two looks; a file whose size and time stay the same for so long is whole."""

Stamp = tuple[int, int]
"""Size in bytes, and time of the last change in nanoseconds."""


class Arrivals:
    """The pictures of a folder that were not given yet.

    A look lists the folder, so that folders on network drives work, too. A picture that is saved
    anew is another one. Hidden files and other files than pictures are passed over.
    """

    def __init__(self, folder: Path, done: Callable[[Path], bool]) -> None:
        """Look for the first time.

        Args:
            folder: one level of it is watched.
            done: whether a picture that is there already needs no matte.

        Raises:
            PictureError: there is no such folder.
        """
        self.folder = folder
        if not folder.is_dir():
            raise PictureError(f"{folder} is no folder: --watch needs one that is there")
        self._before = self._stamps()
        self._given = {file: stamp for file, stamp in self._before.items() if done(file)}

    def look(self) -> list[Path]:
        """The pictures that are whole since the last look, in the order of names.

        Raises:
            PictureError: the folder is not there any more.
        """
        now, whole = self._stamps(), []
        for file, stamp in now.items():
            if stamp[0] and self._before.get(file) == stamp != self._given.get(file):
                self._given[file] = stamp
                whole.append(file)
        self._before = now
        return whole

    @property
    def pictures(self) -> list[Path]:
        """All pictures of the last look."""
        return list(self._before)

    def _stamps(self) -> dict[Path, Stamp]:
        from edgematte.pictures.folders import sort_files

        try:
            files, _ = sort_files(self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            raise PictureError(
                f"the watched folder {self.folder} is not there any more; results so far are kept"
            ) from None
        stamps = {}
        for file in files:
            try:
                status = file.stat()
            except OSError:  # moved away meanwhile
                continue
            stamps[file] = status.st_size, status.st_mtime_ns
        return stamps
