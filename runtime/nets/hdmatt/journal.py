"""A journal of finished patches, so that a run that was killed goes on where it was."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import OptionError
from edgematte.scratch import busy, lock

Floats = NDArray[np.float32]

MAGIC = b"edgematte patches 1\n"
RECORD = struct.Struct("<III")  # patch, number of values, CRC-32 of both and of the values


class Journal:
    """Values by patch, each on disk as soon as it is put.

    A record that was cut short by a kill, and whatever follows it, is dropped when the file is
    opened.
    """

    def __init__(self, path: Path, identity: str) -> None:
        """Open or begin the journal at ``path``; ``identity`` is a sha256 of its work.

        Raises:
            OptionError: the file is no journal, one of other work, or one that another run writes.
        """
        self.path = path
        self._places: dict[int, tuple[int, int]] = {}
        header = MAGIC + identity.encode() + b"\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._file = path.open("r+b")
        if lock(self._file.fileno()) is False:
            self._file.close()
            raise busy(path)
        found = self._file.read(len(header))
        if not header.startswith(found):  # one that is cut short begins anew
            self._file.close()
            raise OptionError(
                f"{path} is of another picture, trimap, bundle or engine: delete it, or give "
                "another journal"
            )
        if found != header:
            self._file.seek(0)
            self._file.write(header)
            self._file.flush()
        self._read(len(header))

    def _read(self, place: int) -> None:
        while True:
            self._file.seek(place)
            head = self._file.read(RECORD.size)
            if len(head) < RECORD.size:
                break
            patch, count, checksum = RECORD.unpack(head)
            values = self._file.read(4 * count)
            if len(values) < 4 * count or _checksum(patch, count, values) != checksum:
                break
            self._places[patch] = place + RECORD.size, count
            place += RECORD.size + len(values)
        self._file.seek(place)
        self._file.truncate()

    def __len__(self) -> int:
        """How many patches are finished."""
        return len(self._places)

    def __contains__(self, patch: int) -> bool:
        """Whether the patch of this number is finished."""
        return patch in self._places

    def get(self, patch: int) -> Floats:
        """The values of a finished patch."""
        place, count = self._places[patch]
        self._file.seek(place)
        return np.frombuffer(self._file.read(4 * count), "<f4").astype(np.float32, copy=False)

    def put(self, patch: int, values: Floats) -> None:
        """Record a patch as finished; it outlives the process from here on."""
        data = np.ascontiguousarray(values, "<f4").tobytes()
        self._file.seek(0, 2)
        place = self._file.tell() + RECORD.size
        self._file.write(RECORD.pack(patch, values.size, _checksum(patch, values.size, data)))
        self._file.write(data)
        self._file.flush()
        self._places[patch] = place, values.size

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()


def _checksum(patch: int, count: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(struct.pack("<II", patch, count)))
