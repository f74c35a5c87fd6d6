import errno
import os
from pathlib import Path
from typing import Any

import pytest

from edgematte.atomic import atomic_file, atomic_folder


def names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with atomic_file(path) as scratch:
        scratch.write_bytes(b"half")
        assert not path.exists()
        assert scratch.suffix == ".png" and scratch.parent == tmp_path  # one file system: a rename
    assert path.read_bytes() == b"half" and names(tmp_path) == ["a.png"]
    assert path.stat().st_mode & 0o777 == 0o644  # not the 0600 of a temporary file


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt, SystemExit])
def test_a_file_that_fails_leaves_the_former_one(kind: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"former")
    with pytest.raises(kind), atomic_file(path) as scratch:
        scratch.write_bytes(b"half")
        raise kind(errno.ENOSPC, "No space left on device")
    assert path.read_bytes() == b"former" and names(tmp_path) == ["a.png"]


def test_a_file_that_fails_leaves_nothing_where_there_was_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.png"):
        raise RuntimeError
    assert names(tmp_path) == []


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.edgematte"
    with atomic_folder(path) as scratch:
        (scratch / "golden").mkdir()
        (scratch / "golden" / "a").write_text("new")
        assert not path.exists()
    assert (path / "golden" / "a").read_text() == "new" and names(path.parent) == ["x.edgematte"]
    assert path.stat().st_mode & 0o777 == 0o755


def test_a_folder_replaces_the_former_one_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.edgematte"
    path.mkdir()
    (path / "old").write_text("old")
    with atomic_folder(path) as scratch:
        (scratch / "new").write_text("new")
        assert names(path) == ["old"]
    assert names(path) == ["new"] and names(tmp_path) == ["x.edgematte"]


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_a_folder_that_fails_leaves_the_former_one(
    kind: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "x.edgematte"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(kind), atomic_folder(path) as scratch:
        (scratch / "new").write_text("new")
        raise kind
    assert names(path) == ["old"] and names(tmp_path) == ["x.edgematte"]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_folder_whose_renaming_fails_puts_the_former_one_back(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.edgematte"
    path.mkdir()
    (path / "old").write_text("old")
    real, calls = os.replace, []

    def replace(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == failing + 1:
            raise OSError(errno.EIO, "Input/output error")
        real(*arguments)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="Input/output"), atomic_folder(path) as scratch:
        (scratch / "new").write_text("new")
    assert names(path) == ["old"] and names(tmp_path) == ["x.edgematte"]
