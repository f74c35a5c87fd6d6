"""A trained net as people have it: U^2-Net's small variant, where a package carries it."""

import json
from pathlib import Path

import numpy as np
import pytest
from pages import ROOT
from PIL import Image
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


def test_int8_within_the_budget_against_the_file(
    imported: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four crops of the photograph calibrate; the budget is what W8A8 of most nodes meets."""
    photo = read_picture(PHOTO)
    shown = tmp_path / "shown"
    shown.mkdir()
    for at in range(4):
        crop = photo[32 * at : 32 * at + 384, 96 - 32 * at : 480 - 32 * at]
        Image.fromarray(crop).save(shown / f"{at}.png")
    bundle, budget = tmp_path / "int8.edgematte", 0.03
    said = ["import", str(file), "-o", str(bundle), "--preset", "u2net", "--precision", "int8"]
    said += ["--calibration", str(shown), "--budget", str(budget), "--json"]
    assert main(said) == 0
    (taken,) = (rung for rung in json.loads(capsys.readouterr().out)["ladder"] if rung["chosen"])
    assert taken["name"].startswith("w8a8") and taken["mad"] <= budget
    small, whole = (sum(f.stat().st_size for f in b.glob("*.onnx")) for b in (bundle, imported))
    assert small < 0.6 * whole
    alpha, wanted = (edgematte.load(b)(photo) for b in (bundle, imported))
    unknown = wanted.trimap == 128
    assert np.abs(alpha.alpha - wanted.alpha)[unknown].mean() < budget
