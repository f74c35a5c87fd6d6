"""What a batch finds in folders, lists, tars and Parquet files, and how it names results."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgematte.batch.inputs import inputs
from edgematte.batch.source import Reader, Source
from edgematte.errors import OptionError, PictureError

Png = Callable[..., Path]


def named(text: Path | str, column: str | None = None) -> list[tuple[str, str]]:
    return [(s.path, s.stem) for s in inputs(str(text), column)]


def read(text: Path | str, column: str | None = None) -> list[bytes]:
    reader = Reader()
    return [reader(source) for source in inputs(str(text), column)]


def test_a_folder_is_read_to_its_depths_and_in_order(png: Png, tmp_path: Path) -> None:
    for name in ("in/b.png", "in/a.png", "in/deep/er/c.png", "in/.hidden/d.png", "in/._a.png"):
        png(name)
    (tmp_path / "in/notes.md").write_text("no picture")
    folder = tmp_path / "in"
    assert named(folder) == [
        (f"{folder}/a.png", "a"),
        (f"{folder}/b.png", "b"),
        (f"{folder}/deep/er/c.png", "deep/er/c"),
    ]


def test_a_list_names_files_relative_to_itself_and_results_by_what_differs(
    png: Png, tmp_path: Path
) -> None:
    first, second = png("x/one/a.png"), png("x/two/a.png")
    file = tmp_path / "list.txt"
    file.write_text(f"\ufeff# pictures\nx/one/a.png\n\n{second}\r\n", encoding="utf-8")
    assert named(file) == [(str(first), "one/a"), (str(second), "two/a")]
    assert read(file) == [first.read_bytes(), second.read_bytes()]


def test_names_cannot_lead_out_of_the_folder_of_results(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("../../a/../b.png\n../c.png\n")
    assert all(".." not in stem and not stem.startswith("/") for _, stem in named(file))


def test_a_picture_that_is_missing_is_a_picture_with_an_error(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("gone.png\n")
    (source,) = inputs(str(file))
    with pytest.raises(PictureError, match=f"no picture at {tmp_path}/gone.png"):
        Reader()(source)


@pytest.mark.skipif(os.name != "posix", reason="only there names of files are bytes")
def test_names_that_are_no_text_are_spelt_out_in_the_index(png: Png, tmp_path: Path) -> None:
    png("in/a.png")
    os.rename(tmp_path / "in/a.png", os.fsencode(tmp_path) + b"/in/\xff.png")
    (source,) = inputs(str(tmp_path / "in"))
    assert source.path == f"{tmp_path}/in/\\xff.png"
    assert Reader()(source).startswith(b"\x89PNG")


def make_tar(file: Path, members: dict[str, bytes], mode: Any = "w") -> Path:
    with tarfile.open(file, mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def test_of_a_tar_the_pictures_are_read_where_they_lie(tmp_path: Path) -> None:
    members = {"000/a.jpg": b"first", "000/a.json": b"{}", "b.seg.png": b"second" * 1000}
    file = make_tar(tmp_path / "shard-0.tar", members)
    assert named(file) == [(f"{file}::000/a.jpg", "000/a"), (f"{file}::b.seg.png", "b.seg")]
    assert read(file) == [b"first", b"second" * 1000]


def test_a_pattern_takes_several_files(tmp_path: Path) -> None:
    for n in range(2):
        make_tar(tmp_path / f"shard-{n}.tar", {"a.jpg": bytes([n])})
    assert read(tmp_path / "shard-*.tar") == [b"\0", b"\1"]
    with pytest.raises(OptionError, match="no file fits"):
        named(tmp_path / "none-*.tar")


def test_a_compressed_or_broken_tar_is_refused(tmp_path: Path) -> None:
    zipped = make_tar(tmp_path / "zipped.tar", {"a.jpg": b"x" * 5000}, "w:gz")
    with pytest.raises(OptionError, match="unpack it to a plain .tar"):
        named(zipped)
    whole = make_tar(tmp_path / "whole.tar", {"a.jpg": b"x" * 50_000}).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:20_000])
    with pytest.raises(OptionError, match="damaged"):
        named(tmp_path / "cut.tar")


def table(file: Path, columns: dict[str, Any], rows: int = 2) -> Path:
    pa = pytest.importorskip("pyarrow", reason="Parquet files need pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table(columns), file, row_group_size=rows)
    return file


def test_parquet_of_bytes_with_names(tmp_path: Path) -> None:
    data = [b"one", b"two", b"three"]
    file = table(tmp_path / "t.parquet", {"image": data, "path": ["x/a.jpg", "b.jpg", None]})
    assert read(file) == data
    assert named(file) == [
        (f"{file}#0", "x/a"),
        (f"{file}#1", "b"),
        (f"{file}#2", "00000002"),
    ]


def test_parquet_of_structures_as_data_sets_store_pictures(tmp_path: Path) -> None:
    file = table(tmp_path / "t.parquet", {"image": [{"bytes": b"one", "path": "a"}] * 3})
    assert read(file) == [b"one"] * 3


def test_parquet_of_paths(png: Png, tmp_path: Path) -> None:
    paths = [str(png(f"in/{n}.png")) for n in range(3)]
    file = table(tmp_path / "t.parquet", {"file": paths, "caption": ["a"] * 3})
    assert named(file) == [(path, str(n)) for n, path in enumerate(paths)]
    assert named(file, "file") == named(file)


def test_parquet_without_a_known_column_is_refused(tmp_path: Path) -> None:
    file = table(tmp_path / "t.parquet", {"caption": ["a"], "score": [1.0], "tag": ["b"]})
    with pytest.raises(OptionError, match=r"name one of caption \(string\), score \(double\)"):
        named(file)
    with pytest.raises(OptionError, match="column 'score' should hold paths or bytes"):
        named(file, "score")
    (tmp_path / "no.parquet").write_bytes(b"PAR0")
    with pytest.raises(OptionError, match="damaged or no Parquet file"):
        named(tmp_path / "no.parquet")


def test_a_cell_without_bytes_is_a_picture_with_an_error(tmp_path: Path) -> None:
    file = table(tmp_path / "t.parquet", {"bytes": [None, b"x"]})
    first, second = inputs(str(file))
    with pytest.raises(PictureError, match="#0 holds no bytes"):
        Reader()(first)
    assert Reader()(second) == b"x"


def test_inputs_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.doc").write_bytes(b"")
    with pytest.raises(OptionError, match="no input at"):
        inputs(str(tmp_path / "missing"))
    with pytest.raises(OptionError, match="is no input that is known"):
        named(tmp_path / "a.doc")
    with pytest.raises(OptionError, match="is of a Parquet file"):
        inputs(str(tmp_path), "image")


def test_urls_are_read_by_fsspec() -> None:
    fsspec = pytest.importorskip("fsspec", reason="URLs need fsspec")
    system = fsspec.filesystem("memory")
    system.pipe({"/batch/a.jpg": b"one", "/batch/in/b.png": b"two", "/batch/in/.c.png": b"no"})
    system.pipe("/batch/list.txt", b"a.jpg\nmemory://batch/in/b.png\n")
    assert read("memory://batch/in") == [b"two"]
    assert read("memory://batch/list.txt") == [b"one", b"two"]
    assert sorted(read("memory://batch/*.jpg")) == [b"one"]
    with pytest.raises(OptionError, match="no input at memory://nothing"):
        named("memory://nothing")
    with pytest.raises(OptionError, match="cannot be opened by fsspec"):
        named("nosuchkind://x")


def test_a_source_is_small_whatever_the_picture(png: Png) -> None:
    """What travels to workers is where a picture lies, not the picture."""
    import pickle

    (source,) = inputs(str(png("big.png", 400, 300)))
    assert isinstance(source, Source) and len(pickle.dumps(source)) < 500
