"""INT8 through the command line: a bundle inside its budget, or nothing."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from edgematte import testcard
from edgematte.cache import empty
from edgematte.calibration import feeds
from edgematte.checkpoint import load_model
from edgematte.cli import main
from edgematte.export.capture import TorchGraph
from edgematte.export.cuts.lightweight import CUT
from edgematte.export.report import zipped_size
from edgematte.export.torch_graph import TorchCall, torch_calls
from edgematte.host import StageHost
from edgematte.manifest import Graph
from edgematte.models.lightweight.network import Lightweight
from edgematte.net import Variant
from edgematte.nets import find
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.nets.lightweight.host import Sizes
from edgematte.runtime.nets.vitmatte.host import TilesHost

pytestmark = pytest.mark.export


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEMATTE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(png: Callable[..., Path], tmp_path: Path) -> Path:
    for number in range(8):
        png(f"photos/p{number}.png", 80 + 8 * number, 72)
    return tmp_path / "photos"


def export(photos: Path, output: Path, *more: str) -> int:
    common = ["export", "--model", "lightweight", "--target", "onnx", "--size", "64"]
    return main([*common, "--calibration", str(photos), "--output", str(output), "--json", *more])


def test_small_weights_are_within_the_budget_and_the_ladder_is_kept(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "b.edgematte"
    assert export(photos, output, "--precision", "int8-weights", "--budget", "0.05") == 0
    told = json.loads(capsys.readouterr().out)
    assert [r["name"] for r in told["ladder"] if r["chosen"]] == ["weights"]
    manifest = open_bundle(output).manifest
    assert manifest.budget == 0.05 and manifest.ladder[-1].inside
    assert manifest.graphs[0].expand_weights
    # A third of fp32's 1.29 MB: what an app's package or a download holds.
    assert zipped_size(output / "matte.onnx") < 450_000
    report = (output / "REPORT.md").read_text()
    assert "## INT8" in report and "The engine runs of matte: Conv" in report
    assert main(["check", str(output)]) == 0


def test_sixteen_bit_activations_are_nearer_than_eight(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights are rounded alike; activations to a 256th of what 8 bits are."""
    errors = {}
    for precision in ("w8a16", "int8"):
        output = tmp_path / f"{precision}.edgematte"
        assert export(photos, output, "--precision", precision, "--budget", "1") == 0
        first = json.loads(capsys.readouterr().out)["ladder"][0]
        errors[first["name"]] = first["mad"]
        assert main(["check", str(output)]) == 0
        capsys.readouterr()
    assert errors["w8a16"] < 0.7 * errors["w8a8"]
    manifest = open_bundle(tmp_path / "w8a16.edgematte").manifest
    assert (manifest.precision, len(manifest.ladder)) == ("w8a16", 1)


def test_a_target_without_wide_integers_says_what_to_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "b.edgematte"
    command = ["export", "--model", "lightweight", "--target", "coreml", "--precision", "w8a16"]
    assert main([*command, "--output", str(output)]) == 2
    assert "int8-weights has 8-bit weights and 16-bit floats" in capsys.readouterr().err
    assert not output.exists()


def test_outside_the_budget_nothing_is_written_unless_forced(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "b.edgematte"
    small = ("--precision", "int8-weights", "--budget", "1e-9")
    assert export(photos, output, *small) == 1
    assert "no INT8 rung is inside the budget" in capsys.readouterr().err
    assert not output.exists() and not list(tmp_path.glob(".b.edgematte*"))


def test_feeds_are_what_the_graphs_received_and_are_recorded_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, weights = load_model(find("lightweight"), None)
    assert isinstance(model, Lightweight)
    host = CUT.host("split", (64, 64), Sizes(patch=64), model)
    graphs = CUT.graphs(model, host)
    pictures = [testcard.testcard(200, 150), testcard.testcard(90, 90)]
    key = {"weights": weights.sha256}
    seen: dict[str, list[dict[str, np.ndarray]]] = {"segment": [], "refine": []}
    real = TorchCall.__call__

    def watch(self: TorchCall, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        seen[self.graph.name].append(inputs)
        return real(self, **inputs)

    monkeypatch.setattr(TorchCall, "__call__", watch)
    found = feeds.record_feeds(
        find("lightweight"), host, list(torch_calls(graphs).values()), pictures, key
    )
    assert len(found["segment"]) == 2 and 0 < len(found["refine"]) <= 2 * feeds.CALLS
    for name in seen:
        for feed in found[name]:
            # bytes are kept exactly; probabilities as half floats, 5e-4 of 1
            assert any(
                all(np.allclose(feed[k], call[k], atol=6e-4) for k in call) for call in seen[name]
            )
    count = len(seen["segment"])
    again = feeds.record_feeds(
        find("lightweight"), host, list(torch_calls(graphs).values()), pictures, key
    )
    assert len(seen["segment"]) == count and again["refine"].files == found["refine"].files


def test_other_trimaps_or_another_version_are_recorded_anew(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    """Trimaps of a net without its own come from the default bundle, whose weights change."""
    recorded: list[Path] = []
    monkeypatch.setattr(feeds, "_record", lambda *given: recorded.append(given[4]))
    host = TilesHost(size=(64, 64), overlap=8, padding=(0.0, 0.0, 0.0))
    stage = StageHost(size=(64, 64), unknown_threshold=0.35, band_px=2)
    vitmatte, lightweight = find("vitmatte-s"), find("lightweight")

    def ask(net: Variant, stage: StageHost | None = None, weight: float = 1.0) -> int:
        module = torch.nn.Conv2d(1, 1, 1, bias=False)
        torch.nn.init.constant_(module.weight, weight)
        graphs = [TorchGraph(Graph("matte", (), ()), module)]
        feeds.record_feeds(
            net, host, list(torch_calls(graphs).values()), [], {"pictures": "p"}, stage=stage
        )
        return len(recorded)

    first = [ask(vitmatte), ask(vitmatte), ask(lightweight), ask(vitmatte, stage)]
    assert first == [1, 1, 2, 3]
    assert [ask(vitmatte, weight=2.0), ask(vitmatte, stage, weight=2.0)] == [4, 5]
    monkeypatch.setattr(feeds, "DEFAULT", tiny_bundle)
    again = [ask(vitmatte), ask(vitmatte), ask(lightweight), ask(vitmatte, stage)]
    assert again == [6, 6, 6, 6]
    monkeypatch.setattr(feeds, "version", lambda name: "99.0")
    assert [ask(lightweight), ask(vitmatte, stage)] == [7, 8]


def test_the_cache_forgets_what_is_old_and_keeps_what_is_in_use(cache: Path) -> None:
    days = {"fresh": 0.1, "older": 2, "oldest": 3, "unused": 31, ".killed": 2, ".working": 0.1}
    for name, age in days.items():
        folder = feeds.cache() / name
        folder.mkdir()
        (folder / "a.npz").write_bytes(bytes(100))
        when = time.time() - age * 86400
        os.utime(folder, (when, when))
    empty(feeds.cache())
    assert set(os.listdir(feeds.cache())) == {"fresh", "older", "oldest", ".working"}
    empty(feeds.cache(), most_bytes=350)  # room for three, newest first
    assert set(os.listdir(feeds.cache())) == {"fresh", "older", ".working"}
    empty(feeds.cache(), most_bytes=0)  # what was used today stays all the same
    assert set(os.listdir(feeds.cache())) == {"fresh", ".working"}


def test_a_failure_while_recording_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, weights = load_model(find("lightweight"), None)
    assert isinstance(model, Lightweight)
    host = CUT.host("fused", (64, 64), Sizes(), model)

    def fail(self: TorchCall, **inputs: np.ndarray) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(TorchCall, "__call__", fail)
    graphs = CUT.graphs(model, host)
    with pytest.raises(OSError, match="disk full"):
        feeds.record_feeds(
            find("lightweight"),
            host,
            list(torch_calls(graphs).values()),
            [testcard.testcard(80, 80)],
            {},
        )
    assert not list((cache / "calibration").iterdir())
