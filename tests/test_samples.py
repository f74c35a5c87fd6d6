"""Every program in samples/ runs as its first lines say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


def run(name: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, str(SAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_sample_is_tested_here() -> None:
    assert {p.name for p in SAMPLES.glob("*.py")} == {"matte_photo.py", "export_and_check.py"}


def test_matte_photo(tmp_path: Path) -> None:
    said = run("matte_photo.py", folder=tmp_path)
    cutout = np.asarray(Image.open(tmp_path / said.splitlines()[-1]))
    assert cutout.shape == (512, 512, 4)
    assert cutout[..., 3].std() > 40  # the shipped weights tell subject from background
    assert "graph.segment" in said


@pytest.mark.export
def test_export_and_check(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    said = run("export_and_check.py", ".", folder=tmp_path)
    assert "end-to-end" in said and "!!" not in said
    assert Image.open(tmp_path / "cutout.png").mode == "RGBA"
