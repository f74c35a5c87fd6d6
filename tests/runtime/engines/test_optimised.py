"""Graphs kept as ONNX Runtime optimised them: a shortcut, and never more than that."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgematte
from edgematte.arrays import Floats
from edgematte.cache import DAY_S, cache_folder, empty
from edgematte.cli import main
from edgematte.runtime.bundle import open_bundle
from edgematte.testcard import testcard as card

onnxruntime = pytest.importorskip("onnxruntime")
from edgematte.runtime.engines import optimised  # noqa: E402

PICTURE = card(300, 200)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("EDGEMATTE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / optimised.NAME


def alpha(bundle: Path | None = None, threads: int = 1) -> Floats:
    return edgematte.load(bundle, threads=threads)(PICTURE).alpha


@pytest.mark.parametrize("threads", [1, 2])
def test_the_next_start_optimises_nothing_and_gives_the_same_bits(
    threads: int, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = alpha(threads=threads)
    assert len(list(kept.iterdir())) == len(open_bundle().manifest.graphs)

    def refuse(*_: object) -> None:
        raise AssertionError("it was optimised again")

    monkeypatch.setattr(optimised, "_kept", refuse)
    np.testing.assert_array_equal(alpha(threads=threads), first)
    shutil.rmtree(kept)
    monkeypatch.undo()
    monkeypatch.setenv("EDGEMATTE_CACHE", os.devnull)  # a folder that cannot be made
    np.testing.assert_array_equal(alpha(threads=threads), first)


def short(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


def other(data: bytes) -> bytes:
    """Whole, as the hash says, and no graph."""
    return hashlib.sha256(b"other").digest() + b"other"


@pytest.mark.parametrize("damage", [short, flipped, other, lambda data: b""])
def test_what_is_damaged_is_made_again(
    damage: Callable[[bytes], bytes], tiny_bundle: Path, kept: Path
) -> None:
    wanted = alpha(tiny_bundle)
    whole = {file: file.read_bytes() for file in kept.iterdir()}
    for file, data in whole.items():
        file.write_bytes(damage(data))
    np.testing.assert_array_equal(alpha(tiny_bundle), wanted)
    assert {file: file.read_bytes() for file in kept.iterdir()} == whole


def test_another_graph_processor_or_version_is_kept_beside_it(
    tiny_bundle: Path, make_tiny: Callable[..., Path], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alpha(tiny_bundle)
    assert len(list(kept.iterdir())) == 2
    shutil.rmtree(tiny_bundle)
    alpha(make_tiny("one weight by 10 %"))
    assert len(list(kept.iterdir())) == 3  # segment.onnx is the same file
    monkeypatch.setattr(optimised, "processor", lambda: "another")
    alpha(tiny_bundle)
    assert len(list(kept.iterdir())) == 5
    monkeypatch.setattr(onnxruntime, "__version__", "99.0")
    alpha(tiny_bundle)
    assert len(list(kept.iterdir())) == 7


@pytest.mark.parametrize("place", ["file", "read-only"])
def test_where_nothing_can_be_kept_loading_goes_on(
    place: str, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    if place == "file":
        home.touch()
    else:
        home.mkdir(mode=0o555)

        def denied(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "mkdir", denied)  # root may write everywhere
    monkeypatch.setenv("EDGEMATTE_CACHE", str(home))
    assert alpha(tiny_bundle).shape == PICTURE.shape[:2]
    assert home.is_file() or not list(home.iterdir())


def test_a_check_looks_at_the_bundle_alone(tiny_bundle: Path, kept: Path) -> None:
    assert main(["check", str(tiny_bundle)]) == 0
    assert not kept.exists()


def test_a_graph_that_does_not_load_is_one_sentence_and_keeps_nothing(
    default_bundle: Path, reseal: Callable[..., None], kept: Path
) -> None:
    (default_bundle / "refine.onnx").write_bytes(b"no graph")
    reseal(default_bundle)
    with pytest.raises(edgematte.EdgematteError, match="cannot load refine.onnx"):
        edgematte.load(default_bundle)
    assert len(list(kept.iterdir())) == 1  # segment


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setenv("EDGEMATTE_CACHE", str(tmp_path / "own"))
    assert cache_folder("a") == tmp_path / "own" / "a"
    monkeypatch.delenv("EDGEMATTE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("a") == tmp_path / "xdg" / "edgematte" / "a"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache_folder("a") == tmp_path / "home" / ".cache" / "edgematte" / "a"


def test_the_oldest_files_go_first_and_never_what_was_used_today(tmp_path: Path) -> None:
    for name, days in (("today", 0), ("older", 2), ("oldest", 3), (".killed", 2), ("month", 40)):
        (tmp_path / name).write_bytes(bytes(100))
        then = (tmp_path / name).stat().st_mtime - days * DAY_S
        os.utime(tmp_path / name, (then, then))
    empty(tmp_path)
    assert set(os.listdir(tmp_path)) == {"today", "older", "oldest"}
    empty(tmp_path, 250)
    assert set(os.listdir(tmp_path)) == {"today", "older"}
    empty(tmp_path, 0)
    assert set(os.listdir(tmp_path)) == {"today"}
