"""A trained net as people have it: U^2-Net's small variant, where a package carries it."""

import json
from pathlib import Path

import pytest
from pages import ROOT
from real_nets import HINT, u2netp

import edgematte
from edgematte.cli import main
from edgematte.pictures import read_picture

PHOTO = ROOT / "samples" / "astronaut.jpg"


@pytest.fixture(scope="module")
def file() -> Path:
    found = u2netp()
    if found is None:
        pytest.skip(HINT)
    return found


@pytest.fixture(scope="module")
def imported(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp("real") / "u2netp.edgematte"
    assert main(["import", str(file), "-o", str(bundle), "--preset", "u2net"]) == 0
    return bundle


def test_it_is_as_close_to_its_file_as_other_nets_to_pytorch(
    imported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(imported)]) == 0
    assert "within tolerance" in capsys.readouterr().out
    manifest = json.loads((imported / "edgematte.json").read_text())
    # 4.6 MB of float32 weights.
    assert 1.1e6 < sum(f.stat().st_size for f in imported.glob("*.onnx")) / 4 < 1.2e6
    assert manifest["host"]["kind"] == "mask" and manifest["host"]["size"] == [320, 320]


def test_its_mask_of_the_photograph_and_the_trimap_of_it(imported: Path) -> None:
    photo = read_picture(PHOTO)
    matte = edgematte.load(imported)(photo)
    assert matte.alpha[150, 230] > 0.98 and matte.alpha[30, 60] < 0.02  # her cheek, the wall
    assert 0.3 < matte.alpha.mean() < 0.75
    assert matte.trimap[75, 230] == 255 and matte.trimap[30, 60] == 0  # her forehead
    hair = matte.trimap[10:40, 150:250]
    assert (hair == 128).mean() > 0.9  # her hair's outline is within the band
    assert 0.2 < (matte.trimap == 128).mean() < 0.4  # and not most of the picture


def test_int8_is_within_the_default_budget_though_large_numbers_cancel_in_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bias of 1361 that leaves about 1: a graph all in 8 bits, or that node in fp16, is lost."""
    monkeypatch.setenv("EDGEMATTE_CACHE", str(tmp_path / "cache"))
    said = ["import", str(file), "-o", str(tmp_path / "b"), "--preset", "u2net"]
    assert main([*said, "--precision", "int8", "--calibration-limit", "4"]) == 0
    manifest = json.loads((tmp_path / "b" / "edgematte.json").read_text())
    rungs = manifest["ladder"]
    assert rungs[-1]["chosen"] and rungs[-1]["mad"] <= manifest["budget"] == 0.01
    assert "nodes in float" in rungs[-1]["name"] and rungs[0]["mad"] > 0.1
    photo = read_picture(PHOTO)
    alpha = edgematte.load(tmp_path / "b")(photo).alpha
    assert alpha[150, 230] > 0.95 and alpha[30, 60] < 0.05  # her cheek, the wall
    assert main([*said, "--precision", "fp16", "--force"]) == 0  # within fp16's tolerance
    half = sum(f.stat().st_size for f in (tmp_path / "b").glob("*.onnx"))
    assert 2 * 1.1e6 < half < 2.5e6
