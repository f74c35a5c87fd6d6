"""One picture of a batch: its key, the name of its results, and where its bytes are."""

from typing import Any, NamedTuple

from edgematte.batch.place import open_to_read, read_range, read_whole
from edgematte.errors import PictureError


class Where(NamedTuple):
    """Where a picture's bytes are: a file, a part of one (tar), or a cell of a table (Parquet).

    `place`: path or URL of the file. `start`, `size`: of the part; a size of -1 is the whole file.
    `column`: of a table, whose row is `row` of the row group `group`; empty for other files.
    """

    place: str
    start: int = 0
    size: int = -1
    column: str = ""
    group: int = 0
    row: int = 0


class Source(NamedTuple):
    """A picture that is to be matted; this travels to workers, never pixels.

    `path`: what the index calls it, unlike all others of a run. `stem`: of the names of its
    results, in the folder of results.
    """

    path: str
    stem: str
    where: Where


class Reader:
    """Reads the bytes of pictures; of tables the row group that was read last is kept."""

    def __init__(self) -> None:
        """Nothing is read before the first call."""
        self._key: tuple[str, str, int] | None = None
        self._column: Any = None

    def __call__(self, source: Source) -> bytes:
        """The bytes of a picture's file.

        Raises:
            PictureError: there is no such file, or nothing in the cell.
            OSError: it cannot be read.
        """
        where = source.where
        if where.column:
            return self._cell(source)
        if where.size >= 0:
            return read_range(where.place, where.start, where.size)
        data = read_whole(where.place)
        if data is None:
            raise PictureError(f"no picture at {where.place}")
        return data

    def _cell(self, source: Source) -> bytes:
        where = source.where
        key = where.place, where.column, where.group
        if self._key != key:
            import pyarrow.parquet as pq

            self._key = self._column = None  # before the next one is in memory
            with open_to_read(where.place) as stream:
                group = pq.ParquetFile(stream).read_row_group(where.group, [where.column])
            self._key, self._column = key, group.column(0)
        value = self._column[where.row].as_py()
        data: bytes | None = value.get("bytes") if isinstance(value, dict) else value
        if data is None:
            raise PictureError(f"{source.path} holds no bytes")
        return data
