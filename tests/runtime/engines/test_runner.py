import json
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte.cli import main
from edgematte.errors import EngineError
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.engines.runner import RunnerEngine
from edgematte.runtime.engines.runner_process import ServingCommand

READ = """
import json, sys, time
from pathlib import Path
import numpy as np
folder = Path(sys.argv[-1])
job = json.loads((folder / "job.json").read_text())
def read(entry):
    kind = np.dtype(entry["dtype"]).newbyteorder("<")
    return np.fromfile(folder / entry["file"], kind).reshape(entry["shape"])
def write(entry, value):
    value.astype(np.dtype(entry["dtype"]).newbyteorder("<")).tofile(folder / entry["file"])
"""

RUN = (
    READ
    + """
import onnxruntime
session = onnxruntime.InferenceSession(job["file"], providers=["CPUExecutionProvider"])
inputs = {entry["name"]: read(entry) for entry in job["inputs"]}
for entry, value in zip(job["outputs"], session.run([e["name"] for e in job["outputs"]], inputs)):
    write(entry, CHANGE(value))
"""
)


Maker = Callable[[str], str]


@pytest.fixture
def runner(tmp_path: Path) -> Maker:
    """Saves a program; returns the command that runs it. Its folder's name holds a space."""

    def make(program: str) -> str:
        folder = tmp_path / "my runner"
        folder.mkdir()
        (folder / "run.py").write_text(program)
        return shlex.join([sys.executable, str(folder / "run.py")])

    return make


def graph(dtype: str = "float32") -> Graph:
    source = Tensor("image", (1, 3, 2, 5), dtype, "NCHW", (0.0, 1.0), "")
    result = Tensor("alpha", (1, 1, 2, 5), "float32", "NCHW", (0.0, 1.0), "")
    return Graph("matte", (source,), (result,), "matte.onnx")


def run(command: str, dtype: str = "float32", timeout_s: float = 60) -> NDArray[Any]:
    image = np.arange(30).reshape(1, 3, 2, 5).astype(dtype)
    engine = RunnerEngine(Path("matte.onnx"), graph(dtype), command=command, timeout_s=timeout_s)
    return engine.run({"image": image})["alpha"]


def test_a_runner_in_another_process_passes_the_check(
    runner: Maker, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = runner("CHANGE = lambda value: value" + RUN)
    assert main(["check", str(tiny_bundle), "--runner", command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["within_tolerance"]
    assert {d["engine"] for d in found["differences"]} == {"numpy", "runner"}
    compared = {d["where"] for d in found["differences"] if d["engine"] == "runner"}
    assert compared == {"segment.trimap", "refine.alpha", "alpha"}


def test_a_runner_that_is_off_is_outside_the_tolerance(
    runner: Maker, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = runner("CHANGE = lambda value: value * 0.999" + RUN)
    assert main(["check", str(tiny_bundle), "--runner", command]) == 1
    assert "OUTSIDE the tolerance" in capsys.readouterr().out


BROKEN = {
    "wrong size": ("CHANGE = lambda value: value[..., :-1]" + RUN, "segment.*bytes.*takes"),
    "exits": (
        READ + 'print("starting"); sys.exit("no such phone")',
        "exited with 1: no such phone",
    ),
    "exits mutely": (READ + "sys.exit(7)", "exited with 7: no message"),
    "writes nothing": (READ, "wrote no trimap.bin"),
    "speaks in bytes": ("import os; os.write(2, bytes([255, 254])); os._exit(3)", "exited with 3"),
    "not finite": ("CHANGE = lambda value: value * float('nan')" + RUN, "not finite"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_runner_is_one_sentence_and_exit_2(
    kind: str, runner: Maker, tiny_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program, sentence = BROKEN[kind]
    assert main(["check", str(tiny_bundle), "--runner", runner(program)]) == 2
    out, err = capfd.readouterr()
    assert not out and len(err.splitlines()) == 1
    assert "graph segment on runner" in err  # which graph it was
    assert re.search(sentence, err)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("/nowhere/run", "/nowhere/run cannot be started: No such file"),
        ("", "command is empty"),
        ("python 'run.py", "cannot be split: No closing quotation"),
    ],
)
def test_a_command_that_is_none_is_one_sentence_and_exit_2(
    command: str, sentence: str, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tiny_bundle), "--runner", command]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and sentence in err


def test_engine_and_runner_exclude_each_other(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check", str(tiny_bundle), "--runner", "true", "--engine", "onnxruntime"]
    assert main(arguments) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_a_runner_that_hangs_is_given_up_on(runner: Maker) -> None:
    with pytest.raises(EngineError, match="took more than 0.3 s"):
        run(runner("import time; time.sleep(60)"), timeout_s=0.3)


SUM = READ + 'write(job["outputs"][0], read(job["inputs"][0]).astype("f8").sum(axis=1))'


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int32"])
def test_tensors_cross_in_their_own_type(dtype: str, runner: Maker) -> None:
    expected = np.arange(30.0).reshape(1, 3, 2, 5).sum(axis=1, keepdims=True)
    found = run(runner(SUM), dtype)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_the_job_says_everything_a_port_needs(runner: Maker, tmp_path: Path) -> None:
    copy = tmp_path / "job.json"
    run(runner(SUM + f"; Path({str(copy)!r}).write_text(json.dumps(job))"))
    job = json.loads(copy.read_text())
    assert job == {
        "graph": "matte",
        "file": str(Path("matte.onnx").resolve()),
        "expand_weights": False,
        "inputs": [entry("image", [1, 3, 2, 5])],
        "outputs": [entry("alpha", [1, 1, 2, 5])],
    }


def entry(name: str, shape: list[int]) -> dict[str, Any]:
    kind = {"dtype": "float32", "shape": shape, "range": [0.0, 1.0]}
    return {"name": name, "file": f"{name}.bin", **kind}


def test_the_folder_of_a_job_is_removed(runner: Maker, tmp_path: Path) -> None:
    copy = tmp_path / "where"
    run(runner(SUM + f"; Path({str(copy)!r}).write_text(str(folder))"))
    assert copy.read_text() and not Path(copy.read_text()).exists()


SERVE = """
import json, sys
from pathlib import Path
import numpy as np
import onnxruntime
sessions = {}
print("a line of the program's own", flush=True)
for line in sys.stdin:
    folder = Path(line.rstrip("\\n"))
    job = json.loads((folder / "job.json").read_text())
    with open(sys.argv[1], "a") as log:
        log.write("new " if not sessions else "old ")
    if job["file"] not in sessions:
        sessions[job["file"]] = onnxruntime.InferenceSession(job["file"])
    inputs = {
        e["name"]: np.fromfile(folder / e["file"], e["dtype"]).reshape(e["shape"])
        for e in job["inputs"]
    }
    names = [e["name"] for e in job["outputs"]]
    for e, value in zip(job["outputs"], sessions[job["file"]].run(names, inputs)):
        value.tofile(folder / e["file"])
    print(ANSWER, flush=True)
"""


def test_a_runner_that_serves_is_started_once_for_all_graphs(
    runner: Maker, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    command = runner("ANSWER = 'edgematte: done'" + SERVE) + " " + shlex.quote(str(log))
    assert main(["check", str(tiny_bundle), "--runner", command, "--runner-serve"]) == 0
    assert "within tolerance" in capsys.readouterr().out
    jobs = log.read_text().split()
    assert jobs.count("new") == 1 and len(jobs) > 4


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("ANSWER = 'edgematte: failed: no such chip'" + SERVE, "failed: no such chip"),
        ("import sys; input(); sys.exit('out of memory')", "ended with 1 .*: out of memory"),
        ("import sys; sys.exit(3)", "ended with 3 before it answered: no message"),
    ],
)
def test_a_runner_that_serves_and_fails_is_one_sentence(
    program: str,
    said: str,
    runner: Maker,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = runner(program) + " " + shlex.quote(str(tmp_path / "log"))
    assert main(["check", str(tiny_bundle), "--runner", command, "--runner-serve"]) == 2
    assert re.search(f"edgematte: .*the runner .* {said}$", capsys.readouterr().err.strip())


def test_a_runner_that_serves_and_is_silent_is_stopped(runner: Maker) -> None:
    serving = ServingCommand(runner("import time; time.sleep(60)"), 0.5)
    with pytest.raises(EngineError, match="took more than 0.5 s"):
        serving(Path("nowhere"))


def test_how_to_serve_is_refused_without_a_runner(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tiny_bundle), "--runner-serve"]) == 2
    assert "--runner-serve says how a runner is run" in capsys.readouterr().err


def test_a_job_says_the_range_and_whether_weights_should_be_expanded(runner: Maker) -> None:
    program = (
        READ
        + """
assert [e["range"] for e in job["inputs"]] == [[0.0, 1.0]] and job["expand_weights"] is True
write(job["outputs"][0], read(job["inputs"][0])[:, :1])
"""
    )
    declared = replace(graph(), expand_weights=True)
    engine = RunnerEngine(Path("matte.onnx"), declared, command=runner(program))
    image = np.ones((1, 3, 2, 5), np.float32)
    np.testing.assert_array_equal(engine.run({"image": image})["alpha"], image[:, :1])
