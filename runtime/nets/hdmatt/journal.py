"""A journal of finished patches, from which a run that was killed goes on."""

import struct
import zlib
from pathlib import Path

import numpy as np

from edgematte.arrays import Floats
from edgematte.errors import OptionError
from edgematte.scratch import busy, lock

MAGIC = b"edgematte patches 1\n"
RECORD = struct.Struct("<III")  # patch, number of values, CRC-32 of both and of the values


class Journal:
    """Values of finished patches by number, written to disk at once.

    When the file is opened, a record that a kill cut short is dropped, with all that follows it.
    """

    def __init__(self, path: Path, identity: str) -> None:
        """Open or begin the journal at ``path``; ``identity`` hashes all that alpha depends on.

        Raises:
            OptionError: the file is no journal, is the journal of another identity, or another run
                is writing it.
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
        stored = self._file.read(len(header))
        if not header.startswith(stored):  # a header that was cut short is written again
            self._file.close()
            raise OptionError(
                f"{path} is of another picture, trimap, bundle or engine: delete it, or give "
                "another journal"
            )
        if stored != header:
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
        """Record a patch as finished; the record is on disk when this returns."""
        data = np.ascontiguousarray(values, "<f4").tobytes()
        self._file.seek(0, 2)
        place = self._file.tell() + RECORD.size
        self._file.write(RECORD.pack(patch, values.size, _checksum(patch, values.size, data)))
        self._file.write(data)
        self._file.flush()
        self._places[patch] = place, values.size

    def close(self) -> None:
        """Close the file, without removing it."""
        self._file.close()


def _checksum(patch: int, count: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(struct.pack("<II", patch, count)))
