"""Parquet files that hold paths of pictures, or pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgematte.batch.place import PIP, open_to_read
from edgematte.batch.source import Where
from edgematte.errors import OptionError
from edgematte.extras import importing

BYTES = ("bytes", "image", "picture", "jpg", "png", "content", "data")
"""Names of columns that hold pictures, the likeliest first."""
PATHS = ("path", "url", "file", "filename", "uri", "image", "picture")
"""Names of columns that hold paths or URLs; beside bytes they name the pictures."""
ROWS = 4096  # are read at a time of a column of paths


@dataclass(frozen=True)
class Rows:
    """The rows of a Parquet file.

    `column`: which holds bytes; None: `paths` are in the column `named`, which otherwise names the
    pictures, if there is one.
    """

    place: str
    column: str | None
    named: str | None

    def paths(self) -> Iterator[str]:
        """The path of every row."""
        with open_to_read(self.place) as stream:
            for row, path in enumerate(_strings(stream, self.named)):
                if not path:
                    raise OptionError(f"{self.place}: row {row} has no {self.named}")
                yield path

    def cells(self) -> Iterator[tuple[int, str, Where]]:
        """The number, the name (if it has none, the number) and the place of every row."""
        import pyarrow.parquet as pq

        assert self.column is not None
        with open_to_read(self.place) as stream, open_to_read(self.place) as second:
            names = _strings(second, self.named) if self.named else None
            whole, row = pq.ParquetFile(stream).metadata, 0
            for group in range(whole.num_row_groups):
                for inside in range(whole.row_group(group).num_rows):
                    given = next(names) if names else None
                    where = Where(self.place, column=self.column, group=group, row=inside)
                    yield row, given or f"{row:08}", where
                    row += 1


def rows_of(place: str, column: str | None) -> Rows:
    """What a Parquet file holds.

    Raises:
        OptionError: it is missing or damaged, or its columns do not say which of them holds bytes
            or paths.
    """
    with importing(f"{place} is read with pyarrow, which is missing", PIP, OptionError):
        import pyarrow as pa
        import pyarrow.parquet as pq
    try:
        with open_to_read(place) as stream:
            schema = pq.ParquetFile(stream).schema_arrow
    except FileNotFoundError:
        raise OptionError(f"no Parquet file at {place}") from None
    except pa.ArrowException as error:
        raise OptionError(f"{place} is damaged or no Parquet file ({error})") from None
    kinds = {field.name: _kind(field.type, pa) for field in schema}
    if column is not None:
        if kinds.get(column) is None:
            raise OptionError(
                f"{place}: column {column!r} should hold paths or bytes; there are: "
                f"{', '.join(f'{f.name} ({f.type})' for f in schema)}"
            )
        kinds = {k: v for k, v in kinds.items() if k == column or v == "path"}
    held = [name for name, kind in kinds.items() if kind == "bytes"]
    texts = [name for name, kind in kinds.items() if kind == "path"]
    found = column if column in held else _first(held, BYTES)
    named = column if column in texts else _first(texts, PATHS)
    if column in texts:
        found = None
    if found is None and named is None:
        raise OptionError(
            f"{place} has no column that is known to hold paths or bytes; name one of "
            f"{', '.join(f'{f.name} ({f.type})' for f in schema)} as column"
        )
    return Rows(place, found, named)


def _first(names: list[str], known: tuple[str, ...]) -> str | None:
    """The likeliest of the columns; an only one whatever its name."""
    likely = [name for name in known if name in names]
    return likely[0] if likely else names[0] if len(names) == 1 else None


def _kind(kind: Any, pa: Any) -> str | None:
    """``bytes`` (also a structure of bytes and path, as data sets store pictures), ``path``."""
    binary = (pa.types.is_binary, pa.types.is_large_binary)
    if any(test(kind) for test in binary):
        return "bytes"
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return "bytes"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "path"
    return None


def _strings(stream: Any, column: str | None) -> Iterator[str | None]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(stream).iter_batches(ROWS, columns=[column]):
        yield from batch.column(0).to_pylist()
