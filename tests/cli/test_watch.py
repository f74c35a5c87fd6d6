"""``edgematte matte --watch``: pictures that arrive are matted once, and whole ones only."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from PIL import Image

import edgematte
from edgematte.cli import main
from edgematte.cli.arrivals import Arrivals
from edgematte.pictures import cutout, read_picture

Png = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
Watch = Callable[..., "subprocess.Popen[str]"]


def test_a_file_is_given_once_when_it_stays_as_it_is(tmp_path: Path, png: Png) -> None:
    whole = png().read_bytes()
    old, done, arriving = (tmp_path / "in" / f"{n}.png" for n in ("old", "done", "arriving"))
    old.parent.mkdir()
    for file in (old, done):
        file.write_bytes(whole)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    arrivals = Arrivals(old.parent, lambda file: file == done)
    assert arrivals.look() == [old] and arrivals.look() == []
    arriving.touch()
    assert arrivals.look() == [] and arrivals.look() == []  # nothing in it yet
    arriving.write_bytes(whole[:100])
    assert arrivals.look() == []
    arriving.write_bytes(whole)
    assert arrivals.look() == []  # it grew since the last look
    assert arrivals.look() == [arriving] and arrivals.look() == []
    os.utime(done, (1, 1))  # saved anew: another picture
    assert arrivals.look() == [] and arrivals.look() == [done]
    done.unlink()
    assert arrivals.look() == [] and set(arrivals.pictures) == {old, arriving}


@pytest.fixture
def watch(tiny_bundle: Path, heeding: str) -> Iterator[Watch]:
    """Starts the command, with Ctrl-C heeded; what a test leaves running is ended."""
    started = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        given = ["matte", *map(str, arguments), "--bundle", str(tiny_bundle), "--threads", "1"]
        process = subprocess.Popen(
            [sys.executable, "-c", heeding, *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def line_of(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().rstrip("\n")


def test_pictures_are_matted_as_they_arrive_until_ctrl_c(
    watch: Watch, tiny_bundle: Path, png: Png, tmp_path: Path
) -> None:
    first, out = png("in/first.png"), tmp_path / "out"
    bad = first.with_name("bad.png")
    process = watch("--watch", first.parent, "-o", out)
    assert line_of(process.stderr) == f"edgematte: watching {first.parent}, until Ctrl-C"
    assert line_of(process.stdout) == f"{out / 'first.png'}"
    bad.write_bytes(b"no picture")
    assert line_of(process.stderr).startswith(f"edgematte: {bad}: ")
    shutil.copy(png("other.png", 80, 50), first.with_suffix(".jpg.tmp"))
    first.with_suffix(".jpg.tmp").rename(first.with_suffix(".bmp"))  # the stem of the first
    assert line_of(process.stdout) == f"{out / 'first-bmp.png'}"
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=60)
    assert process.returncode == 130 and not rest
    assert err == "edgematte: interrupted; nothing half-written was left\n"
    picture = read_picture(first)
    wanted = cutout(picture, edgematte.load(tiny_bundle, threads=1)(picture).alpha)
    np.testing.assert_array_equal(np.asarray(Image.open(out / "first.png")), wanted)
    assert sorted(f.name for f in out.iterdir()) == ["first-bmp.png", "first.png"]


def test_a_second_run_leaves_what_is_done_and_a_folder_that_vanishes_is_one_line(
    watch: Watch, png: Png, tmp_path: Path
) -> None:
    done, new, out = png("in/done.png"), png("in/new.png"), tmp_path / "out"
    out.mkdir()
    (out / "done.png").write_bytes(b"the result of a run before")
    process = watch("--watch", done.parent, "-o", out, "--json", "--quiet")
    told = json.loads(line_of(process.stdout))
    assert told["picture"] == str(new) and told["results"] == {"cutout": str(out / "new.png")}
    shutil.rmtree(done.parent)
    rest, err = process.communicate(timeout=60)
    assert process.returncode == 2 and not rest
    assert err == (
        f"edgematte: the watched folder {done.parent} is not there any more; "
        "results so far are kept\n"
    )
    assert (out / "done.png").read_bytes() == b"the result of a run before"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "give pictures, or --watch FOLDER"),
        (["--watch", "{in}", "{in}/a.png"], "give pictures, or --watch FOLDER"),
        (["--watch", "{in}/none"], "is no folder: --watch needs one that is there"),
        (["--watch", "{in}", "-o", "-"], "--watch writes a file for every picture"),
        (["--watch", "{in}", "-o", "{in}/a.png"], "--watch writes a file for every picture"),
        (["--watch", "{in}", "-o", "{in}"], "-o is the watched folder"),
        (["--watch", "{in}", "--mask", "{in}"], "--mask is the watched folder"),
        (["--watch", "{in}", "--trimap", "{in}/a.png"], "--watch needs --trimap FOLDER"),
        (["--watch", "{in}", "--explain", "e.png"], "--explain draws one picture"),
    ],
)
def test_what_has_no_meaning_is_refused(
    arguments: list[str], part: str, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    folder = png("in/a.png").parent
    given = [argument.replace("{in}", str(folder)) for argument in arguments]
    assert main(["matte", "-o", str(tmp_path / "out"), *given]) == 2
    out, err = capsys.readouterr()
    assert not out and part in err and len(err.splitlines()) == 1
    assert sorted(f.name for f in folder.iterdir()) == ["a.png"]
