"""Features of many patches: in memory up to a limit, then in a memory-mapped temporary file."""

import tempfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats


class FeatureStore:
    """Named float arrays by number, put once and read any number of times.

    The file has no name, so that it disappears when the store is closed or the process is killed.
    Only the entry that is being read is mapped, so that the file does not fill the process's
    memory.
    """

    def __init__(self, *, half: bool, memory_mb: float | None = None) -> None:
        """``half`` keeps arrays as float16; ``memory_mb`` (1e6 bytes): None keeps all in memory."""
        self._dtype = np.dtype(np.float16 if half else np.float32)
        self._left = np.inf if memory_mb is None else memory_mb * 1e6
        self._kept: dict[tuple[int, str], NDArray[Any]] = {}
        self._spilled: dict[tuple[int, str], tuple[int, tuple[int, ...]]] = {}
        self.names: set[str] = set()  # of all arrays put so far
        self._file: IO[bytes] | None = None
        self._end = 0

    def __enter__(self) -> "FeatureStore":
        """The store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def spilled_bytes(self) -> int:
        """Size of the temporary file."""
        return self._end

    def put(self, number: int, arrays: Mapping[str, Floats]) -> None:
        """Keep the arrays of a number: all of them in memory, or all of them in the file."""
        self.names |= arrays.keys()
        size = sum(a.size for a in arrays.values()) * self._dtype.itemsize
        if size <= self._left:
            self._left -= size
            for name, array in arrays.items():
                self._kept[number, name] = array.astype(self._dtype)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="edgematte-")
        for name, array in arrays.items():
            place = self._end
            self._end += array.size * self._dtype.itemsize
            self._file.truncate(self._end)
            mapped = np.memmap(self._file, self._dtype, "r+", place, array.shape)
            mapped[...] = array
            self._spilled[number, name] = place, array.shape

    def get(self, number: int, name: str) -> Floats:
        """The array of a number and name, as float32; do not change it."""
        if (number, name) in self._kept:
            return self._kept[number, name].astype(np.float32, copy=False)
        place, shape = self._spilled[number, name]
        assert self._file is not None
        return np.array(np.memmap(self._file, self._dtype, "r", place, shape), np.float32)

    def rounded(self, array: Floats) -> Floats:
        """An array as :meth:`get` would return it after :meth:`put`."""
        return array.astype(self._dtype, copy=False).astype(np.float32, copy=False)

    def close(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._spilled.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
