"""Scoring real photographs that have an alpha, by folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from edgematte.checkpoint import load_model  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.testcard import testcard as card  # noqa: E402
from edgematte.training.evaluate import main  # noqa: E402
from edgematte.training.evaluation.matte import matte_whole  # noqa: E402


def folder(place: Path, sides: list[tuple[int, int]], value: int) -> list[str]:
    for kind in ("image", "alpha"):
        (place / kind).mkdir(parents=True)
    for number, (width, height) in enumerate(sides):
        Image.fromarray(card(width, height)).save(place / "image" / f"{number}.png")
        Image.new("L", (width, height), value).save(place / "alpha" / f"{number}.png")
    return ["--images", str(place / "image"), "--alphas", str(place / "alpha")]


def test_each_folder_of_pairs_has_a_row_of_means_over_its_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = Path(__file__).parents[2] / "edgematte/weights/lightweight.safetensors"
    one = folder(tmp_path / "white", [(64, 48), (40, 60)], 255)
    other = folder(tmp_path / "grey", [(50, 50)], 51)
    main([str(shipped), *one, *other])
    report = json.loads(capsys.readouterr().out)
    assert list(report) == ["pairs"]
    assert list(report["pairs"]) == ["white/image", "grey/image"]
    model, _ = load_model(find("lightweight"), shipped)
    with torch.inference_mode():
        alphas = [
            matte_whole(model, Image.fromarray(card(*side)))  # type: ignore[arg-type]
            for side in ((64, 48), (40, 60), (50, 50))
        ]
    white = np.mean([np.abs(alpha - 1).mean() for alpha in alphas[:2]])
    # Sums of float32 against sums of float64.
    assert report["pairs"]["white/image"]["mad"] == pytest.approx(white, rel=1e-4)
    assert report["pairs"]["white/image"]["pictures"] == 2
    grey = np.abs(alphas[2] - 0.2).mean()
    assert report["pairs"]["grey/image"]["mad"] == pytest.approx(grey, rel=1e-4)
