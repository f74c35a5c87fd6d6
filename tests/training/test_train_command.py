import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from edgematte.cli import main

Capture = pytest.CaptureFixture[str]

SMALL = ["--size", "64", "--batch", "2", "--workers", "0", "--log-every", "1", "--device", "cpu"]
TRAIN = ["train", "--model", "lightweight", *SMALL]


@pytest.fixture
def sources(pictures: Path) -> list[str]:
    """The options of a run on every kind of folder."""
    return [
        *("--foregrounds", str(pictures / "cutouts/fluent"), str(pictures / "cutouts/photo")),
        *(
            "--veils",
            str(pictures / "cutouts/smoke"),
            "--backgrounds",
            str(pictures / "backgrounds"),
        ),
        *("--images", str(pictures / "people/image"), "--masks", str(pictures / "people/mask")),
        *("--images", str(pictures / "pairs/image"), "--alphas", str(pictures / "pairs/alpha")),
    ]


def test_a_run_on_folders_ends_with_weights_and_a_report(
    sources: list[str], tmp_path: Path, capsys: Capture
) -> None:
    command = [*TRAIN, *sources, "--output", str(tmp_path), "--steps", "2", "--json"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["steps"] == 2 and set(report["losses"]) == {"sn", "l1", "gradient", "total"}
    assert report["pictures"] == {
        "people": 2,
        "pairs": 2,
        "cutouts": 4,
        "veils": 2,
        "backgrounds": 2,
    }
    assert Path(report["weights"]) == tmp_path / "model.safetensors"
    assert "training" in err and "2/2" in err


def test_shipped_weights_are_fine_tuned(tmp_path: Path, capsys: Capture) -> None:
    command = [*TRAIN, "--procedural", "--output", str(tmp_path), "--steps", "1"]
    assert main([*command, "--weights", "shipped", "--learning-rate", "1e-6"]) == 0
    shipped = load_file(
        Path(main.__code__.co_filename).parents[1] / "weights/lightweight.safetensors"
    )
    tuned = load_file(tmp_path / "model.safetensors")
    assert capsys.readouterr().out == f"{tmp_path / 'model.safetensors'}\n"
    for name, value in tuned.items():  # one step of 1e-6 leads nowhere
        assert torch.allclose(value, shipped[name], atol=1e-5), name


def test_skipped_files_are_named_on_standard_error(
    pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "cutouts"
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"\x89PNG broken")
    (folder / "good.png").write_bytes((pictures / "cutouts/photo/photo0.png").read_bytes())
    folders = ["--foregrounds", str(folder), "--backgrounds", str(pictures / "backgrounds")]
    command = [*TRAIN, *folders, "--output", str(tmp_path / "out"), "--steps", "1", "--json"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["skipped"]) == 1
    assert "broken.png" in err and "1 file was skipped" in err


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--steps", "1"], "nothing to train on"),
        (["--procedural"], "give the run an end"),
        (["--procedural", "--steps", "1", "--foregrounds", "x"], "leave it out, or the folders"),
        (["--procedural", "--steps", "1", "--hold-out", "0.1"], "there are none"),
        (["--procedural", "--steps", "1", "--seed", str(2**32)], "--seed 4294967296: a whole"),
        (["--procedural", "--steps", "0"], "--steps 0: at least 1"),
        (
            ["--procedural", "--steps", "1", "--workers", "-1"],
            "--workers -1: a whole number from 0",
        ),
        (
            ["--procedural", "--steps", "1", "--learning-rate", "nan"],
            "--learning-rate nan: a number above 0",
        ),
        (["--procedural", "--steps", "1", "--size", "100"], "--size 100: a multiple of 64"),
        (
            ["--model", "vitmatte-tiny", "--procedural", "--steps", "1", "--size", "32"],
            "--size 32: a multiple of 32, 64 pixels or more",
        ),
        (["--procedural", "--steps", "1", "--weights", "none.pt"], "no checkpoint at none.pt"),
        (["--steps", "1", "--foregrounds", "x"], "give --backgrounds"),
        (["--steps", "1", "--foregrounds", "none", "--backgrounds", "none"], "no folder at none"),
        (["--steps", "1", "--images", "x"], "--images x: give --images DIR and right after it"),
        (["--steps", "1", "--masks", "x", "--images", "y"], "--masks x: give --images DIR"),
        (
            ["--procedural", "--steps", "1", "--hold-out", "1"],
            "--hold-out 1: a number from 0 to below 1",
        ),
        (
            ["--model", "nothing", "--procedural", "--steps", "1"],
            "unknown model 'nothing'; there are: lightweight, lightweight-wide, regional",
        ),
        (
            ["--procedural", "--steps", "1", "--backbone", "x.pth"],
            "--backbone: lightweight has none",
        ),
        (
            ["--model", "vitmatte-tiny", "--procedural", "--steps", "1", "--backbone", "none.pth"],
            "no checkpoint at none.pth",
        ),
        (
            ["--procedural", "--steps", "1", "--backbone", "x.pth", "--weights", "shipped"],
            "--backbone starts a run and --weights goes on from one",
        ),
        (["--procedural", "--steps", "1", "--quantize-aware"], "give --weights FILE with it"),
        (
            ["--procedural", "--steps", "1", "--part", "mrn"],
            "--part leaves the rest as it is: give",
        ),
        (
            ["--procedural", "--steps", "1", "--weights", "shipped", "--part", "ena"],
            "no such part to train alone: sn, mrn",
        ),
        (
            ["--procedural", "--steps", "1", "--weights", "shipped", "--part", "sn"]
            + ["--quantize-aware"],
            "--quantize-aware adapts the whole model: leave out --part",
        ),
    ],
)
def test_bad_options_are_one_line(
    options: list[str], line: str, tmp_path: Path, capsys: Capture
) -> None:
    assert main([*TRAIN, "--output", str(tmp_path / "out"), *options]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("edgematte: ") and line in err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from edgematte.cli import main\n"
        f"sys.exit(main({[*TRAIN, '--procedural', '--steps', '1', '--output', str(tmp_path)]!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2 and 'pip install "edgematte[train]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_two_processes_share_a_run(tmp_path: Path) -> None:
    """One report, one log; both take part in each step's four pictures."""
    options = [*TRAIN, "--batch", "4", "--procedural", "--steps", "2", "--json", "--output"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, "-m", "edgematte", *options, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 2 and _steps(tmp_path) == [1, 2]
    state = torch.load(tmp_path / "training-state.pt", weights_only=True)
    assert state["samples_seen"] == 8


def _steps(output: Path) -> list[int]:
    file = output / "training.csv"
    if not file.is_file():
        return []
    with file.open(newline="") as rows:
        return [int(row["step"]) for row in csv.DictReader(rows)]


def _children(process: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


PROCEDURAL = [*SMALL, "--procedural", "--steps", "9", "--precision", "fp32"]


def _until_logged(process: "subprocess.Popen[str]", output: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while max(_steps(output), default=0) < step:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)


def _until_ended(processes: list[int]) -> None:
    deadline = time.monotonic() + 20
    while any(map(_lives, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _assert_same_weights(a: Path, b: Path) -> None:
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (a, b))
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


@pytest.mark.parametrize(("model", "workers"), [("lightweight", "0"), ("vitmatte-tiny", "1")])
def test_a_run_killed_at_any_moment_goes_on_and_ends_as_if_it_had_not(
    model: str, workers: str, tmp_path: Path
) -> None:
    """SIGKILL at a moment nobody chose; the same weights in the end as of a run in one go.

    Saving after every step, at most one step may be lost. Processes that prepare pictures end too.
    """
    options = ["train", "--model", model, *PROCEDURAL]
    options += ["--save-every", "0", "--workers", workers, "--output"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen(
        [sys.executable, "-m", "edgematte", *options, str(killed)],
        stderr=subprocess.DEVNULL,
        text=True,
    )
    _until_logged(process, killed, 3)
    helpers = _children(process.pid)
    assert len(helpers) == int(workers)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    logged = _steps(killed)[-1]
    state = torch.load(killed / "training-state.pt", weights_only=True)
    assert logged - 1 <= state["step"] <= logged < 9
    assert [main([*options, str(folder)]) for folder in (killed, whole)] == [0, 0]
    assert _steps(killed) == list(range(1, 10))
    _until_ended(helpers)
    _assert_same_weights(killed, whole)


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    ids=["ctrl-c", "sigterm", "sighup"],
)
def test_a_run_asked_to_stop_finishes_its_step_and_loses_nothing(
    number: signal.Signals, tmp_path: Path, heeding: str
) -> None:
    """Though it would not have saved for a day; its helper, asked too, does not die before it."""
    options = ["train", "--model", "lightweight", *PROCEDURAL, "--workers", "1"]
    options += ["--save-every", "1440", "--output"]
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    process = subprocess.Popen(
        [sys.executable, "-c", heeding, *options, str(stopped)], stderr=subprocess.PIPE, text=True
    )
    _until_logged(process, stopped, 3)
    helpers = _children(process.pid)
    for one in [*helpers, process.pid]:  # as a terminal, systemd and Slurm do
        os.kill(one, number)
    _, said = process.communicate(timeout=120)
    last = _steps(stopped)[-1]
    assert process.returncode == 130 and last < 9
    line = said.splitlines()[-1]
    assert line.startswith(f"edgematte: stopped: step {last} is saved in {stopped}"), said
    _until_ended(helpers)
    assert [main([*options, str(folder)]) for folder in (stopped, whole)] == [0, 0]
    assert _steps(stopped) == list(range(1, 10))
    _assert_same_weights(stopped, whole)
