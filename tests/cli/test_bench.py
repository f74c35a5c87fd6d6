import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte import testcard
from edgematte.bench import Stage, bench, peak_rss_mb
from edgematte.cli import main
from edgematte.errors import OptionError
from edgematte.nets import find
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import OwnTrimap
from edgematte.runtime.matter import Matter
from edgematte.runtime.pipeline import Sourced

Capture = pytest.CaptureFixture[str]


def test_json_has_stages_shares_and_memory(tiny_bundle: Path, capsys: Capture) -> None:
    arguments = ["--runs", "3", "--size", "90x60", "--threads", "1", "--json"]
    assert main(["bench", str(tiny_bundle), *arguments]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["engine"] == "onnxruntime" and value["picture"] == "90x60" and value["runs"] == 3
    stages = {s["name"]: s for s in value["stages"]}
    assert {"host.reduce", "graph.segment", "graph.refine", "host.stitch"} <= set(stages)
    assert {"all host steps", "all graphs", "whole"} <= set(stages)
    for stage in stages.values():
        assert 0 <= stage["median_ms"] <= stage["p90_ms"]
    assert 0 <= value["host_share"] <= 1
    assert 10 < value["peak_rss_mb"] < 100_000


def test_the_table_for_people(tiny_bundle: Path, capsys: Capture) -> None:
    assert main(["bench", str(tiny_bundle), "--runs", "1", "--size", "64"]) == 0
    out = capsys.readouterr().out
    assert "tiny.edgematte, onnxruntime, 64x64, 1 runs" in out
    assert "graph.segment" in out and "host steps take" in out and "MiB" in out


def test_a_picture_of_ones_own(
    tiny_bundle: Path, png: Callable[..., Path], capsys: Capture
) -> None:
    arguments = ["--picture", str(png()), "--runs", "1", "--json"]
    assert main(["bench", str(tiny_bundle), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["picture"] == "60x45"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--runs", "0"], "--runs 0: at least 1"),
        (["--runs", "-3"], "--runs -3: at least 1"),
        (["--size", "0x40"], "--size 0x40: at least 1x1"),
        (["--size", "wide"], "size 'wide' should be a number or WIDTHxHEIGHT"),
        (["--size", "1x2x3"], "size '1x2x3' should be"),
        (["--size", "-5"], "size '-5' should be"),
        (["--picture", "none.jpg"], "no picture at none.jpg"),
        (["--picture", "x.png", "--size", "64"], "--size is of the made picture"),
        (["--trimap", "t.png"], "--trimap is of --picture"),
        (["--threads", "0", "--size", "8"], "threads 0: a whole number from 1 to 256"),
        (["--engine", "tflite", "--size", "8"], "unknown engine 'tflite'"),
    ],
)
def test_an_argument_without_a_meaning_is_one_line_and_exit_2(
    arguments: list[str], part: str, tiny_bundle: Path, capsys: Capture
) -> None:
    assert main(["bench", str(tiny_bundle), *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out and len(err.splitlines()) == 1 and part in err


class Scripted:
    """A pipeline whose runs take what a script says: seconds by stage."""

    def __init__(self, *runs: dict[str, float]) -> None:
        self.runs = iter(runs)

    def __call__(
        self, picture: NDArray[np.uint8], trimap: NDArray[np.uint8] | None, clock: Clock
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        clock.seconds.update(next(self.runs))
        return np.zeros(picture.shape[:2], np.float32), np.zeros(picture.shape[:2], np.uint8)


def matter_of(bundle: Path, script: Scripted) -> Matter:
    """A matter that runs a script instead of the bundle's graphs."""
    sourced = Sourced("lightweight", script, OwnTrimap())
    return Matter(open_bundle(bundle), find("lightweight"), sourced, "script")


def scripted(bundle: Path, *runs: dict[str, float], batch: int = 1) -> dict[str, Stage]:
    """Stages by name of a bench of all these runs, in order."""
    matter = matter_of(bundle, Scripted(*runs))
    picture = testcard.testcard(30, 20)
    found = bench(matter, picture, len(runs) // batch, warmups=0, batch=batch)
    return {s.name: s for s in found.stages}


def test_warm_ups_are_not_counted_and_the_figures_are_medians(tiny_bundle: Path) -> None:
    seconds = [50.0, 60.0, 0.001, 0.003, 0.002]  # two warm-ups first
    script = Scripted(*({"host.crop": 0.001, "graph.refine": s} for s in seconds))
    matter = matter_of(tiny_bundle, script)
    found = bench(matter, testcard.testcard(30, 20), runs=3)
    stages = {s.name: s for s in found.stages}
    assert stages["graph.refine"].median_ms == pytest.approx(2)
    assert stages["graph.refine"].p90_ms == pytest.approx(2.8)  # 0.8 of the way from 2 to 3
    assert stages["whole"].median_ms == pytest.approx(3)
    assert found.host_share == pytest.approx(1 / 3)


FULL = {"host.frame": 0.001, "graph.coarse": 0.002, "host.crop": 0.003, "graph.refine": 0.004}
SHORT = {"host.frame": 0.001, "graph.coarse": 0.002}  # a budget without time for a region


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_stage_that_some_runs_lack_is_one_of_all(first: int, tiny_bundle: Path) -> None:
    """Whichever run comes first: two of three refine, one has no time to."""
    runs = [FULL, FULL, FULL]
    runs[first] = SHORT
    stages = scripted(tiny_bundle, *runs)
    assert list(stages) == [*FULL, "all host steps", "all graphs", "whole"]
    assert stages["host.crop"].median_ms == pytest.approx(3)
    assert stages["graph.refine"].median_ms == pytest.approx(4)
    assert stages["all graphs"].median_ms == pytest.approx(6)
    assert stages["whole"].median_ms == stages["whole"].p90_ms == pytest.approx(10)


def test_a_stage_that_most_runs_lack_still_counts_in_the_whole(tiny_bundle: Path) -> None:
    stages = scripted(tiny_bundle, SHORT, FULL, SHORT)
    assert stages["graph.refine"].median_ms == 0
    assert stages["graph.refine"].p90_ms == pytest.approx(3.2)  # 0.8 of the way from 0 to 4
    assert stages["whole"].median_ms == pytest.approx(3)
    assert stages["whole"].p90_ms == pytest.approx(3 + 0.8 * 7)


def test_a_run_of_several_pictures_is_the_sum_of_them(tiny_bundle: Path) -> None:
    stages = scripted(tiny_bundle, FULL, SHORT, FULL, FULL, SHORT, FULL, batch=2)
    assert stages["graph.refine"].median_ms == pytest.approx(4)
    assert stages["whole"].median_ms == pytest.approx(13)
    assert stages["whole"].p90_ms == pytest.approx(13 + 0.8 * 7)  # of 13, 20 and 13


def test_a_picture_without_work_takes_no_share(tiny_bundle: Path) -> None:
    """Nothing unknown: some nets run no stage at all."""
    matter = matter_of(tiny_bundle, Scripted({}, {}))
    found = bench(matter, testcard.testcard(30, 20), runs=2, warmups=0)
    assert {s.name: s.median_ms for s in found.stages} == {
        "all host steps": 0,
        "all graphs": 0,
        "whole": 0,
    }
    assert found.host_share == 0


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"runs": 0}, "runs 0: at least 1"),
        ({"runs": 1, "batch": 0}, "batch 0: at least 1"),
        ({"runs": 1, "warmups": -1}, "warmups -1: at least 0"),
    ],
)
def test_a_measurement_of_nothing_is_refused(
    options: dict[str, Any], part: str, tiny_bundle: Path
) -> None:
    matter = matter_of(tiny_bundle, Scripted())
    with pytest.raises(OptionError, match=part):
        bench(matter, testcard.testcard(8, 8), **options)


def test_where_the_system_does_not_tell_the_memory_all_else_is_there(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Windows has no module ``resource``; asked for last, it cost all the runs."""
    monkeypatch.setitem(sys.modules, "resource", None)
    arguments = ["bench", str(tiny_bundle), "--runs", "1", "--size", "8"]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["peak_rss_mb"] is None and found["runs"] == 1
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "pictures per second" in out and "memory not told by this system" in out and not err


def test_memory_is_in_mebibytes() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    status = Path("/proc/self/status").read_text()
    peak_kib, peak_mib = int(status.partition("VmHWM:")[2].split()[0]), peak_rss_mb()
    assert peak_mib is not None
    # The kernel may add what the process was before it became this program; never a factor of 1024.
    assert 0.9 < peak_mib / (peak_kib / 1024) < 50
