"""benchmarks/abuse.py in short: the sections that need no export, with a few of everything."""

import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


def abuse(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it; what it says besides its table is about faults."""
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "abuse.py"), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )


def rows(table: str) -> dict[str, list[str]]:
    """Cells by the first of their row."""
    cells = [[c.strip() for c in r.strip("|").split("|")] for r in table.splitlines()]
    return {row[0]: row[1:] for row in cells if len(row) > 1}


def test_mutants_are_accepted_or_refused(tmp_path: Path) -> None:
    kinds = ["png", "jpeg", "tiff"]
    done = abuse(tmp_path, "inputs", "--count", "300", "--kinds", *kinds)
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(done.stdout)
    assert set(found) >= {*kinds, "all"}
    whole, accepted, refused, faults, _ = found["all"]
    assert int(whole) >= 298 and faults == "0"  # shares are rounded, each by less than one
    assert int(accepted) > 50 and int(refused) > 50  # mutants are near enough, and far enough


def test_mutants_of_what_exports_write_and_read(tmp_path: Path) -> None:
    for package in ("onnx", "onnxsim"):
        pytest.importorskip(package)
    kinds = ["manifests", "goldens", "onnx"]
    done = abuse(tmp_path, "inputs", "--count", "90", "--kinds", *kinds)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(rows(done.stdout)) >= {*kinds, "all"}


@pytest.mark.parametrize(
    ("arguments", "row"),
    [
        (("kills", "--works", "folder", "--count", "2"), ["2", "0", "0"]),
        (("disk", "--works", "picture", "--count", "2"), ["4", "4", "0"]),
    ],
)
def test_works_that_are_killed_or_find_a_full_disk(
    arguments: tuple[str, ...], row: list[str], tmp_path: Path
) -> None:
    """One kill starts from nothing, one from former results; so does every size of a disk."""
    for package in ("onnx", "av"):
        pytest.importorskip(package)
    done = abuse(tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(done.stdout)[arguments[2]]
    assert [found[1], *found[-2:]] == row if arguments[0] == "kills" else found == row


def test_memory_is_told_as_it_goes(tmp_path: Path) -> None:
    done = abuse(tmp_path, "memory", "--count", "30")
    assert (done.returncode, done.stderr) == (0, "")
    assert "30 mattes in one process" in done.stdout


def test_mutants_of_a_model_are_models_of_another_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a reader refuses them at once, and nothing behind it is ever tried."""
    onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
    monkeypatch.syspath_prepend(str(ROOT))
    from hardship import wire

    from edgematte.runtime.bundle import DEFAULT

    whole = (DEFAULT / "refine.onnx").read_bytes()
    assert wire.write(wire.read(whole) or []) == whole
    changed = [wire.protobuf(whole, random.Random(number)) for number in range(100)]
    assert sum(one != whole for one in changed) > 80
    read = 0
    for one in changed:
        with contextlib.suppress(Exception):  # of protobuf, of several classes
            read += len(onnx.load_model_from_string(one).graph.node) > 100 and one != whole
    assert read > 40


FAULTY = """
import dataclasses, json, os, sys
from pathlib import Path
from hardship import inputs, uses, worker

def use(file, number, place):
    if number == 103:
        raise KeyError("a traceback")
    if number == 105:
        os._exit(11)
    while number == 107:
        pass
    if number == 109:
        Path(sys.argv[2], "..", "outside").write_text("x")

uses.KINDS["bmp"] = dataclasses.replace(uses.KINDS["bmp"], use=use)
if len(sys.argv) > 2:
    worker.main()
else:
    real = inputs.subprocess.Popen
    inputs.subprocess.Popen = lambda command, **options: real(
        [command[0], __file__, *command[3:]], **options
    )
    inputs.HANG_S = 0.5
    tally = inputs.run("bmp", 100, 112, Path(sys.argv[1]))
    print(json.dumps([tally.faults, dict(tally.counts)]))
"""
"""A use with a fault of every kind; the program is the watch, and the worker that it starts."""


def test_the_watch_sees_every_kind_of_fault(tmp_path: Path) -> None:
    script = tmp_path / "faulty.py"
    script.write_text(FAULTY)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "work")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    faults, counts = json.loads(done.stdout)
    said = dict(faults)
    assert set(said) == {103, 105, 107, 109} and counts["accepted"] == 8
    assert "KeyError" in said[103] and "died (11)" in said[105]
    assert said[107] == "hangs" and "outside of its folder: open" in said[109]
