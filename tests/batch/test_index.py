"""One row a picture, across runs that were stopped anywhere."""

from pathlib import Path
from typing import Any

import pytest

from edgematte.batch.index import FILE, PARTS, Index
from edgematte.batch.place import Place
from edgematte.batch.rows import DONE, FAILED, Row
from edgematte.errors import OptionError

parquet: Any = pytest.importorskip("pyarrow.parquet", reason="an index needs pyarrow")

SETTINGS = {"bundle": "abc", "write": ["cutout"]}


def begun(folder: Path, settings: dict[str, Any] = SETTINGS, *, retry: bool = False) -> Index:
    folder.mkdir(exist_ok=True)
    index = Index(Place(str(folder)), settings)
    index.read(retry=retry)
    index.mark()
    return index


def done(folder: Path, name: str) -> Row:
    (folder / f"{name}.png").write_bytes(b"")
    return Row(name, DONE, width=4, height=3, results=(("cutout", f"{name}.png"),))


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    found = parquet.read_table(folder / FILE).to_pylist()
    assert len({row["path"] for row in found}) == len(found)
    return {row["path"]: row for row in found}


def test_rows_of_several_runs_end_in_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    first = begun(folder)
    first.add(done(folder, "a"))
    first.add(Row("b", FAILED, "damaged", seconds=(("read", 0.5), ("decode", 1.5))))
    first.flush()
    first.add(done(folder, "lost"))  # and the run is killed
    second = begun(folder)
    assert len(second.done) == 2
    second.add(done(folder, "lost"))
    second.add(done(folder, "lost"))
    second.finish()
    found = rows(folder)
    assert set(found) == {"a", "b", "lost"} and not (folder / PARTS).exists()
    assert found["a"]["cutout"] == "a.png" and (found["a"]["width"], found["a"]["height"]) == (4, 3)
    assert found["b"]["error"] == "damaged"
    assert found["b"]["seconds"] == 2 and found["b"]["seconds_graph"] is None


def test_a_kill_between_joining_and_tidying_leaves_no_row_twice(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    index = begun(folder)
    index.add(done(folder, "a"))
    index.flush()
    kept = {f: f.read_bytes() for f in (folder / PARTS).iterdir()}
    index.finish()
    (folder / PARTS).mkdir()
    for file, data in kept.items():
        file.write_bytes(data)
    begun(folder).finish()
    assert set(rows(folder)) == {"a"}


def test_failed_pictures_are_tried_again_on_request_and_missing_files_made_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "out"
    index = begun(folder)
    index.add(done(folder, "a"))
    index.add(Row("b", FAILED, "damaged"))
    index.finish()
    assert len(begun(folder).done) == 2
    again = begun(folder, retry=True)
    assert len(again.done) == 1
    again.add(done(folder, "b"))
    again.finish()
    assert rows(folder)["b"]["status"] == DONE
    (folder / "a.png").unlink()
    assert len(begun(folder).done) == 1


def test_a_place_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    begun(folder).finish()
    index = begun(folder)
    index.add(done(folder, "a"))
    index.finish()
    with pytest.raises(OptionError, match=r"results of another bundle \(abc, now xyz\)"):
        begun(folder, SETTINGS | {"bundle": "xyz"})
    (folder / FILE).write_bytes(b"no table")
    with pytest.raises(OptionError, match="cannot be read"):
        begun(folder)
    other = tmp_path / "mine"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(OptionError, match="holds files that no batch wrote"):
        begun(other)
    assert [f.name for f in other.iterdir()] == ["letter.txt"]


def test_an_index_behind_a_url(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="URLs need fsspec")
    place = Place("memory://an-index/out")
    for name in ("a", "b"):
        index = Index(place, SETTINGS)
        index.read()
        index.mark()
        index.add(Row(name, DONE))
        index.finish()
    import fsspec

    with fsspec.open(place.at(FILE)) as stream:
        found = parquet.read_table(stream).to_pylist()
    assert sorted(row["path"] for row in found) == ["a", "b"] and place.names() == [FILE]
