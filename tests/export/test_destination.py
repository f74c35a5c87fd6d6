"""What an export replaces, and what two of them do at one place."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("torch")

from edgematte.cli import main
from edgematte.runtime.bundle import open_bundle

pytestmark = pytest.mark.export
Capture = pytest.CaptureFixture[str]
OPTIONS = ["export", "--model", "lightweight", "--target", "onnx", "--random-weights"]
OPTIONS += ["--size", "64", "--output"]


def contents(folder: Path) -> dict[str, bytes]:
    files = (f for f in sorted(folder.rglob("*")) if f.is_file())
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


def project(path: Path) -> None:
    (path / ".git").mkdir(parents=True)
    (path / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (path / "notes.txt").write_text("years of work")


def other_manifest(path: Path) -> None:
    path.mkdir()
    (path / "edgematte.json").write_text("[]")


def file(path: Path) -> None:
    path.write_text("a file")


@pytest.mark.parametrize("make", [project, other_manifest, file])
@pytest.mark.parametrize("force", [["--force"], []], ids=["forced", "plain"])
def test_what_is_no_bundle_stays(
    make: Callable[[Path], None], force: list[str], tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "out"
    make(output)
    before = contents(tmp_path)
    assert main([*OPTIONS, str(output), *force]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "is no bundle" in said and "another output" in said
    assert contents(tmp_path) == before


def test_a_bundle_that_holds_what_is_not_its_own_stays(
    tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tiny_bundle / "golden" / "mine.txt").write_text("mine")
    before = contents(tmp_path)
    assert main([*OPTIONS, str(tiny_bundle), "--force"]) == 2
    assert "holds golden/mine.txt, which is not of the bundle" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_bundle_is_replaced_only_once_the_new_one_is_whole(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from edgematte.export import exporter

    (tiny_bundle / ".DS_Store").touch()  # of a file manager: nobody's work
    before = contents(tiny_bundle)
    with monkeypatch.context() as patch:
        patch.setattr(exporter, "write_report", lambda *_: (_ for _ in ()).throw(OSError("full")))
        assert main([*OPTIONS, str(tiny_bundle), "--force"]) == 2
    assert contents(tiny_bundle) == before
    assert main([*OPTIONS, str(tiny_bundle)]) == 2  # not without being told to
    assert contents(tiny_bundle) == before
    assert main([*OPTIONS, str(tiny_bundle), "--force"]) == 0
    assert [g.name for g in open_bundle(tiny_bundle).manifest.graphs] == ["matte"]
    assert os.listdir(tiny_bundle.parent) == [tiny_bundle.name]


def started(output: Path, cwd: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "edgematte", *OPTIONS, str(output)]
    return subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, text=True)


def test_of_two_exports_to_one_place_one_loses_and_says_so(tmp_path: Path) -> None:
    both = [started(tmp_path / "b.edgematte", tmp_path) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda process: process.communicate()[1], both))
    assert sorted(p.returncode for p in both) == [0, 2]
    last = said[0 if both[0].returncode else 1].splitlines()[-1]
    assert "is being written by another run" in last or "exists" in last
    open_bundle(tmp_path / "b.edgematte")
    assert os.listdir(tmp_path) == ["b.edgematte"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_nothing_or_what_the_same_command_clears(
    number: signal.Signals, tmp_path: Path, capsys: Capture
) -> None:
    process = started(tmp_path / "deep" / "b.edgematte", tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("recording"):
            break
    time.sleep(0.05)
    process.send_signal(number)
    rest = process.stderr.read()
    code = process.wait(timeout=120)
    if number != signal.SIGKILL:
        assert code == 128 + number
        assert rest.splitlines()[-1] == (
            f"edgematte: stopped by {number.name}; nothing half-written was left"
        )
        assert os.listdir(tmp_path) == []
        return
    assert code == -number and not (tmp_path / "deep" / "b.edgematte").exists()
    assert main([*OPTIONS, str(tmp_path / "deep" / "b.edgematte")]) == 0
    assert os.listdir(tmp_path / "deep") == ["b.edgematte"]
