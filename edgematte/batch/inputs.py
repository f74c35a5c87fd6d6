"""What a batch reads: a folder, a list, a Parquet file, a WebDataset tar, or a URL of one of these.

Inputs are listed lazily and in one order, so that a second run gives every picture the same name.
"""

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from edgematte.batch.place import is_url, open_to_read, opened
from edgematte.batch.source import Source, Where
from edgematte.batch.tables import rows_of
from edgematte.batch.tars import members_of
from edgematte.errors import OptionError
from edgematte.pictures.folders import picture_endings, sort_files

LISTS, TABLES, TARS = (".txt", ".lst", ".list"), (".parquet", ".pq"), (".tar",)
WILD = "*?["
KINDS_OF_INPUT = (
    "a folder, a picture, a list (.txt, a path or URL a line), a Parquet file, a .tar, a pattern "
    "of such files (shard-*.tar), or a URL of one of these"
)


class Inputs(Protocol):
    """The pictures of a batch; they can be gone through again and again."""

    def __iter__(self) -> Iterator[Source]:
        """Every picture, in one order."""


@dataclass(frozen=True)
class _Listed:
    """Inputs by what was asked for; `column`: of Parquet files."""

    text: str
    column: str | None

    def __iter__(self) -> Iterator[Source]:
        return _walk(self.text, self.column)


def inputs(text: str, column: str | None = None) -> Inputs:
    """What a path, a pattern or a URL names; nothing is read yet.

    Args:
        text: the path, pattern or URL.
        column: which column of a Parquet file holds paths or bytes; None: it is found by its name
            and type.

    Raises:
        OptionError: there is nothing, or nothing of a kind that is known; a column without a
            Parquet file.
    """
    if column is not None and _ending(text) not in TABLES:
        raise OptionError(f"column {column!r} is of a Parquet file, and {text} is none")
    if not _pattern(text) and not is_url(text) and not Path(text).exists():
        raise OptionError(f"no input at {text}: give {KINDS_OF_INPUT}")
    return _Listed(text, column)


def _walk(text: str, column: str | None) -> Iterator[Source]:
    if _pattern(text):
        places = _matches(text)
        base = _common(places)
        for place in places:
            yield from _file(place, base, column)
    elif _is_folder(text):
        yield from _folder(text)
    else:
        yield from _file(text, _parent(text), column)


def _file(place: str, base: str, column: str | None) -> Iterator[Source]:
    """The pictures of one file; ``base`` is the folder that names of results are relative to."""
    ending = _ending(place)
    if ending in LISTS:
        yield from _places(lambda: _lines(place))
    elif ending in TARS:
        for name, start, size in members_of(place):
            yield _source(place, name, Where(place, start, size), f"::{name}")
    elif ending in TABLES:
        rows = rows_of(place, column)
        if rows.column is None:
            yield from _places(lambda: (_against(place, path) for path in rows.paths()))
        else:
            for row, name, where in rows.cells():
                yield _source(place, name, where, f"#{row}")
    elif ending in picture_endings() or is_url(place):
        yield _source(place, _relative(place, base))
    else:
        raise OptionError(f"{place} is no input that is known: give {KINDS_OF_INPUT}")


def _folder(text: str) -> Iterator[Source]:
    """The pictures of a folder and of those in it, by their names; hidden folders are left out."""
    if is_url(text):
        system, path = opened(text)
        for found in sorted(system.find(path)):
            inside = found.removeprefix(path).lstrip("/")
            parts = PurePosixPath(inside)
            hidden = any(part.startswith(".") for part in parts.parts)
            if parts.suffix.lower() in picture_endings() and not hidden:
                yield _source(posixpath.join(text, inside), inside)
        return
    yield from _local(Path(text), Path(text))


def _local(folder: Path, base: Path) -> Iterator[Source]:
    entries = list(folder.iterdir())
    for file in sort_files(entries)[0]:
        yield _source(str(file), file.relative_to(base).as_posix())
    for inner in sorted(p for p in entries if p.is_dir() and not p.name.startswith(".")):
        yield from _local(inner, base)


def _places(paths: Callable[[], Iterable[str]]) -> Iterator[Source]:
    """Pictures that a list or table names; their common folder is left out of results' names."""
    base = _common(paths())
    for place in paths():
        yield _source(place, _relative(place, base))


def _lines(place: str) -> Iterator[str]:
    """The paths of a list, one a line; relative ones are relative to the list's folder."""
    with open_to_read(place) as stream:
        for number, line in enumerate(stream, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                raise OptionError(f"{place}: line {number} is no text (UTF-8)") from None
            if text and not text.startswith("#"):
                yield _against(place, text)


def _against(place: str, path: str) -> str:
    """A path that a file names, relative to that file's folder."""
    if is_url(path):
        return path
    if is_url(place):
        return posixpath.join(_parent(place), path)
    return str(Path(place).parent / path)


def _pattern(text: str) -> bool:
    return any(c in text for c in WILD) and (is_url(text) or not Path(text).exists())


def _matches(text: str) -> list[str]:
    if is_url(text):
        system, path = opened(text)
        found = sorted(system.unstrip_protocol(name) for name in system.glob(path))
    else:
        from glob import glob

        found = sorted(name for name in glob(text, recursive=True) if Path(name).is_file())
    if not found:
        raise OptionError(f"no file fits {text}: give {KINDS_OF_INPUT}")
    return found


def _is_folder(text: str) -> bool:
    if not is_url(text):
        return Path(text).is_dir()
    if _ending(text) in (*LISTS, *TABLES, *TARS, *picture_endings()):
        return False
    system, path = opened(text)
    if not system.isdir(path):
        raise OptionError(f"no input at {text}: give {KINDS_OF_INPUT}")
    return True


def _ending(text: str) -> str:
    return PurePosixPath(text).suffix.lower()


def _parent(text: str) -> str:
    return posixpath.dirname(text) if is_url(text) else str(Path(text).parent)


def _common(places: Iterable[str]) -> str:
    """The deepest folder that all of them lie in."""
    common: list[str] | None = None
    for place in places:
        parts = _parent(place).split("/")
        if common is None:
            common = parts
        while common != parts[: len(common)]:
            common = common[:-1]
    return "/".join(common or [])


def _relative(place: str, base: str) -> str:
    return place.removeprefix(base).lstrip("/") if base != "." else place


def _source(place: str, name: str, where: Where | None = None, inside: str = "") -> Source:
    """The picture ``name``, which lies at a place or ``inside`` the file there."""
    return Source(as_text(place + inside), _stem(name), where or Where(place))


def as_text(name: str) -> str:
    """A name of a file as text that tables can hold: bytes that are no text are spelt out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _stem(name: str) -> str:
    """A name without its ending and without what would lead out of the folder of results."""
    parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".", "..")]
    last = PurePosixPath(parts[-1]).stem if parts else "picture"
    return "/".join([*parts[:-1], last])
