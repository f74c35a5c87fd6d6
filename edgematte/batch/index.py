"""The index of a batch: a Parquet file with exactly one row a picture, kept while the batch runs.

Rows are written in parts (`.edgematte-batch/part-*.parquet`), each whole or not at all, and joined
to `index.parquet` at the end. A run that was stopped in between is gone on with from both.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Any

from edgematte.batch.place import PIP, Place, open_to_read
from edgematte.batch.rows import FAILED, SECONDS, Row
from edgematte.errors import OptionError
from edgematte.extras import importing
from edgematte.ranges import KINDS
from edgematte.scratch import PREFIX

FILE, PARTS = "index.parquet", ".edgematte-batch"
MARK = f"{PARTS}/batch.json"
META = b"edgematte"
PART_ROWS, PART_S = 5000, 20.0
"""*Chosen*: a part is written after so many rows or seconds: what a kill of the driver repeats."""
BATCH = 8192  # rows that are read at a time


def key_of(path: str) -> bytes:
    """A short stand-in for a path in sets of millions of them."""
    return hashlib.blake2b(path.encode(), digest_size=16).digest()


class Index:
    """The index of the results in a place.

    `done`: keys of the pictures that have a row. `taken`: keys of the names of their files, in
    lower case.
    """

    def __init__(self, place: Place, settings: dict[str, Any]) -> None:
        """Nothing is read or written before `read` and `mark`.

        Args:
            place: where the results are.
            settings: JSON values that all rows of an index have in common.
        """
        self.place, self.settings = place, settings
        self.done: set[bytes] = set()
        self.taken: set[bytes] = set()
        self._rows: list[Row] = []
        self._part = 0
        self._since = time.monotonic()

    def read(self, *, retry: bool = False) -> None:
        """Read what earlier runs did; pictures whose files are gone (on a local file system) count
        as not done.

        Args:
            retry: so do pictures that failed.

        Raises:
            OptionError: the place holds something else, results with other settings, or an index
                that cannot be read.
        """
        with importing("an index is written with pyarrow, which is missing", PIP, OptionError):
            import pyarrow as pa
        former = self._former()
        if former is None and any(not n.startswith(PREFIX) for n in self.place.names()):
            raise OptionError(
                f"{self.place.root} holds files that no batch wrote: give a new folder"
            )
        if former is not None and former != self.settings:
            name = next((k for k in self.settings if former.get(k) != self.settings[k]), "version")
            raise OptionError(
                f"{self.place.root} holds results of another {name} ({former.get(name)}, now "
                f"{self.settings.get(name)}): give another output, or the same options"
            )
        seen: set[bytes] = set()
        try:
            for row in self._stored(["path", "status", *KINDS]):
                key = key_of(row["path"])
                if key not in seen:
                    seen.add(key)
                    self._recall(row, key, retry)
        except (pa.ArrowException, KeyError) as error:
            raise self._unreadable(error) from None
        self._part = 1 + max((int(name[-16:-8]) for name in self._parts()), default=-1)

    def _recall(self, row: dict[str, Any], key: bytes, retry: bool) -> None:
        files = [row[kind] for kind in KINDS if row[kind]]
        if row["status"] == FAILED and retry:
            return
        if self.place.folder is not None and not all(map(self.place.holds, files)):
            return
        self.done.add(key)
        self.taken |= {key_of(name.casefold()) for name in files}

    def mark(self) -> tuple[str, bytes]:
        """Mark the place as this run's: the name and the bytes of a file that workers must see."""
        content = json.dumps({"settings": self.settings, "run": secrets.token_hex(16)}).encode()
        self.place.write(MARK, content)
        return MARK, content

    def add(self, row: Row) -> None:
        """Add a row; of a picture that has one it is dropped."""
        key = key_of(row.path)
        if key in self.done:
            return
        self.done.add(key)
        self._rows.append(row)
        if len(self._rows) >= PART_ROWS or time.monotonic() - self._since > PART_S:
            self.flush()

    def flush(self) -> None:
        """Write the rows that no part holds yet."""
        self._since = time.monotonic()
        if not self._rows:
            return
        self._write(f"{PARTS}/part-{self._part:08}.parquet", [[_flat(r) for r in self._rows]])
        self._part += 1
        self._rows = []

    def finish(self) -> None:
        """Join all parts to one file, with the latest row of every picture."""
        self.flush()
        if parts := self._parts():
            self._write(FILE, self._latest())
        for name in (*parts, MARK, PARTS):
            self.place.remove(name)

    def _latest(self) -> Iterator[list[dict[str, Any]]]:
        seen: set[bytes] = set()
        rows: list[dict[str, Any]] = []
        for row in self._stored(None):
            key = key_of(row["path"])
            if key not in seen:
                seen.add(key)
                rows.append(row)
            if len(rows) == BATCH:
                yield rows
                rows = []
        yield rows

    def _parts(self) -> list[str]:
        return [f"{PARTS}/{n}" for n in self.place.names(PARTS) if n.startswith("part-")]

    def _files(self) -> list[str]:
        """The files of rows, the latest first."""
        return [*reversed(self._parts()), *([FILE] if self.place.holds(FILE) else [])]

    def _stored(self, columns: list[str] | None) -> Iterator[dict[str, Any]]:
        import pyarrow.parquet as pq

        for name in self._files():
            with open_to_read(self.place.at(name)) as stream:
                for batch in pq.ParquetFile(stream).iter_batches(BATCH, columns=columns):
                    yield from batch.to_pylist()

    def _former(self) -> dict[str, Any] | None:
        """The settings of the runs before; None where there was none."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if (mark := self.place.read(MARK)) is not None:
                return dict(json.loads(mark)["settings"])
            if not self.place.holds(FILE):
                return None
            with open_to_read(self.place.at(FILE)) as stream:
                metadata = pq.ParquetFile(stream).schema_arrow.metadata or {}
            return dict(json.loads(metadata[META]))
        except (pa.ArrowException, ValueError, KeyError) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> OptionError:
        return OptionError(
            f"the index in {self.place.root} cannot be read ({error}): give another output, or "
            "remove that index"
        )

    def _write(self, name: str, rows: Iterable[list[dict[str, Any]]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = _schema().with_metadata({META: json.dumps(self.settings).encode()})
        with self.place.writing(name) as stream:
            with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
                for some in rows:
                    writer.write_batch(pa.RecordBatch.from_pylist(some, schema))


def _schema() -> Any:
    import pyarrow as pa

    text, number, real = pa.string(), pa.int32(), pa.float32()
    columns = [("path", text), ("status", text), ("error", text)]
    columns += [("width", number), ("height", number), ("unknown", real), ("sha256", text)]
    columns += [(kind, text) for kind in KINDS]
    columns += [("seconds", real), *((f"seconds_{stage}", real) for stage in SECONDS)]
    columns += [("node", text), ("attempts", number)]
    return pa.schema(columns)


def _flat(row: Row) -> dict[str, Any]:
    """A row as the table has it: a column a stage and a kind."""
    seconds, results = dict(row.seconds), dict(row.results)
    return {
        **{name: getattr(row, name) for name in ("path", "status", "error", "width", "height")},
        **{name: getattr(row, name) for name in ("unknown", "sha256", "node", "attempts")},
        **{kind: results.get(kind) for kind in KINDS},
        "seconds": sum(seconds.values()),
        **{f"seconds_{stage}": seconds.get(stage) for stage in SECONDS},
    }
