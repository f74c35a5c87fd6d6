import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgematte import testcard
from edgematte.bench import bench, peak_rss_mb
from edgematte.cli import main
from edgematte.runtime.matter import Matte, load

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


def test_warm_ups_are_not_counted_and_the_figures_are_medians(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([50.0, 60.0, 0.001, 0.003, 0.002])  # two warm-ups first
    matter, picture = load(tiny_bundle), testcard.testcard(30, 20)
    real = matter(picture)

    def fake(self: object, image: object, trimap: object = None) -> Matte:
        graph = next(seconds)
        return Matte(real.alpha, real.trimap, {"host.crop": 0.001, "graph.refine": graph})

    monkeypatch.setattr(type(matter), "__call__", fake)
    found = bench(matter, picture, runs=3)
    stages = {s.name: s for s in found.stages}
    assert stages["graph.refine"].median_ms == pytest.approx(2)
    assert stages["graph.refine"].p90_ms == pytest.approx(2.8)  # 0.8 of the way from 2 to 3
    assert stages["whole"].median_ms == pytest.approx(3)
    assert found.host_share == pytest.approx(1 / 3)


def test_memory_is_in_mebibytes() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    status = Path("/proc/self/status").read_text()
    peak_kib = int(status.partition("VmHWM:")[2].split()[0])
    # The kernel may add what the process was before it became this program; never a factor of 1024.
    assert 0.9 < peak_rss_mb() / (peak_kib / 1024) < 50
