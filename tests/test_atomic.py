import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgematte import scratch as scratches
from edgematte.atomic import atomic_file, atomic_folder
from edgematte.errors import OptionError


def anything(path: Path) -> None:
    """Nothing that stands there has to stay."""


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
    with atomic_folder(path, replaceable=anything) as scratch:
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
    with pytest.raises(kind), atomic_folder(path, replaceable=anything) as scratch:
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
    with (
        pytest.raises(OSError, match="Input/output"),
        atomic_folder(path, replaceable=anything) as scratch,
    ):
        (scratch / "new").write_text("new")
    assert names(path) == ["old"] and names(tmp_path) == ["x.edgematte"]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o027, 0o077])
def test_what_is_new_has_the_permissions_that_the_umask_leaves(mask: int, tmp_path: Path) -> None:
    with umask(mask):
        with atomic_file(tmp_path / "a.png") as scratch:
            scratch.write_bytes(b"a")
        with atomic_folder(tmp_path / "b") as folder:
            (folder / "sub").mkdir(0o700)  # as libraries do that copy from a temporary folder
            (folder / "sub" / "c").write_text("c")
            (folder / "sub" / "c").chmod(0o600)
    assert mode(tmp_path / "a.png") == mode(tmp_path / "b" / "sub" / "c") == 0o666 & ~mask
    assert mode(tmp_path / "b") == mode(tmp_path / "b" / "sub") == 0o777 & ~mask


@pytest.mark.parametrize("own", [0o600, 0o664, 0o444])
def test_what_replaces_a_file_has_its_permissions(own: int, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"former")
    path.chmod(own)
    with atomic_file(path) as scratch:
        scratch.write_bytes(b"new")
    assert mode(path) == own and path.read_bytes() == b"new"


def test_what_replaces_a_folder_has_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "b"
    path.mkdir(0o750)
    (path / "old").touch()
    with atomic_folder(path, replaceable=anything) as scratch:
        (scratch / "new").touch()
    assert mode(path) == 0o750 and names(path) == ["new"]


@pytest.mark.parametrize("there", [True, False], ids=["to-something", "to-nothing"])
def test_a_link_is_written_through(there: bool, tmp_path: Path) -> None:
    real, links = tmp_path / "real", tmp_path / "links"
    real.mkdir()
    links.mkdir()
    if there:
        (real / "a.png").write_bytes(b"former")
        (real / "b").mkdir()
        (real / "b" / "old").touch()
    for name in ("a.png", "b"):
        (links / name).symlink_to(Path("..") / "real" / name)
    with atomic_file(links / "a.png") as scratch:
        scratch.write_bytes(b"new")
    with atomic_folder(links / "b", replaceable=anything) as folder:
        (folder / "new").touch()
    assert (links / "a.png").is_symlink() and (links / "b").is_symlink()
    assert (real / "a.png").read_bytes() == b"new" and names(real / "b") == ["new"]
    assert names(real) == names(links) == ["a.png", "b"]


def test_a_loop_of_links_and_what_is_no_file_stay(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for write in (atomic_file, atomic_folder):
        with pytest.raises(OSError, match="symbolic links"), write(tmp_path / "loop"):
            raise AssertionError
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(OptionError, match="is not a file"), atomic_file(tmp_path / name):
            raise AssertionError
    assert (tmp_path / "loop").is_symlink() and (tmp_path / "pipe.png").is_fifo()


@pytest.mark.parametrize(
    "name", ["x" * 251 + ".png", "ä" * 125 + ".webm", "a." + "y" * 253], ids=len
)
def test_a_name_of_255_bytes_is_written(name: str, tmp_path: Path) -> None:
    assert len(name.encode()) == 255
    with atomic_file(tmp_path / name) as scratch:
        scratch.write_bytes(b"a")
    assert names(tmp_path) == [name]
    (tmp_path / name).unlink()
    for _ in range(2):
        with atomic_folder(tmp_path / name, replaceable=anything) as folder:
            (folder / "a").touch()
    assert names(tmp_path) == [name]


def test_a_folder_with_anything_in_it_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with atomic_folder(tmp_path / "b") as scratch:  # an empty one
        (scratch / "new").touch()
        (tmp_path / "c").write_text("c")
    for taken in ("b", "c"):
        with pytest.raises(OptionError, match="exists by now"), atomic_folder(tmp_path / taken):
            raise AssertionError
    with pytest.raises(OptionError, match="exists by now"), atomic_folder(tmp_path / "d") as late:
        (late / "new").touch()
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "notes").write_text("mine")
    assert names(tmp_path) == ["b", "c", "d"]
    assert names(tmp_path / "b") == ["new"] and names(tmp_path / "d") == ["notes"]


def test_folders_on_the_way_go_if_nothing_comes_to_be_in_them(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "a" / "b" / "c"):
        raise RuntimeError
    assert names(tmp_path) == []


@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_who_comes_second_to_a_path_is_told_at_once(
    write: Callable[[Path], Any], tmp_path: Path
) -> None:
    with write(tmp_path / "a") as scratch:
        with pytest.raises(OptionError, match="a is being written by another run"):
            with write(tmp_path / "a"):
                raise AssertionError
        assert scratch.exists()  # the second has not taken it away
        with write(tmp_path / "b"):
            pass
    assert names(tmp_path) == ["a", "b"]


def test_what_several_make_alike_is_made_once_and_stays(tmp_path: Path) -> None:
    """As recorded calls in a cache: both go on, with the first one's."""
    with atomic_folder(tmp_path / "a", shared=True) as slow:
        (slow / "slow").touch()
        with atomic_folder(tmp_path / "a", shared=True) as fast:
            (fast / "fast").touch()
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["fast"]


KILLED = """
import os, signal, sys
from pathlib import Path
from edgematte import atomic
path, moment = Path(sys.argv[1]), sys.argv[2]
real, calls = os.replace, []
def replace(*names):
    calls.append(names)
    if len(calls) == {"filling": 0, "aside": 1, "before": 2}.get(moment, 9):
        os.kill(os.getpid(), signal.SIGKILL)
    real(*names)
os.replace = replace
if moment == "file":
    with atomic.atomic_file(path) as scratch:
        scratch.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
with atomic.atomic_folder(path, replaceable=id) as scratch:
    (scratch / "new").touch()
    if moment == "filling":
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["file", "filling", "aside", "before"])
def test_after_a_kill_at_any_moment_nothing_is_lost_and_the_next_one_clears_up(
    moment: str, tmp_path: Path
) -> None:
    """`aside` and `before`: right before the former folder moves away, and the new one in."""
    path = tmp_path / ("a.png" if moment == "file" else "a")
    if moment != "file":
        path.mkdir()
        (path / "old").write_text("old")
    command = [sys.executable, "-c", KILLED, str(path), moment]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    left = [name for name in names(tmp_path) if name != path.name]
    assert len(left) == 1 and left[0].startswith(".edgematte-")
    if moment == "file":
        with atomic_file(path) as scratch:
            assert scratch.read_bytes() == b"" and mode(scratch) == 0o666 & ~0o022
        assert names(tmp_path) == ["a.png"]
        return
    # What was there is there again.
    with pytest.raises(OptionError, match="exists by now"), atomic_folder(path):
        raise AssertionError
    assert names(path) == ["old"] and names(tmp_path) == ["a"]


def test_sweeping_leaves_who_still_writes_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with atomic_file(path) as scratch:
        other = threading.Thread(target=scratches.sweep, args=[path])
        other.start()
        other.join()
        assert scratch.exists()
        scratch.write_bytes(b"whole")
    assert path.read_bytes() == b"whole" and names(tmp_path) == ["a.png"]
