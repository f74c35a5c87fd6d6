import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from edgematte.errors import EngineError, OptionError, PictureError
from edgematte.models.lightweight.network import Lightweight
from edgematte.runtime.bundle import DEFAULT
from edgematte.training.engine.checkpoint import save_weights
from edgematte.training.evaluate import (
    SHOWN,
    Gallery,
    main,
    score_alphamatting,
    score_pairs,
    score_people,
    trimap_of,
)
from edgematte.training.evaluation.classical import METHODS, classical_matte, half_matte
from edgematte.training.evaluation.matte import Checkpoint, matte_given
from edgematte.training.pictures.sources import Photo


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    save_weights(Lightweight(), {"model": "lightweight", "cfm": True, "ena": True}, folder)
    return folder


def _trimap(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(alpha == 0, 0, np.where(alpha == 255, 255, 128)).astype(np.uint8)


@pytest.fixture
def test_folder(pictures: Path, tmp_path: Path) -> Path:
    test = tmp_path / "test"
    (test / "alphamatting").mkdir(parents=True)
    (test / "people").symlink_to(pictures / "people")
    Image.open(pictures / "pairs/image/thing_00.jpg").save(test / "alphamatting/A-image.png")
    alpha = Image.open(pictures / "pairs/alpha/thing_00.png")
    alpha.save(test / "alphamatting/A-alpha.png")
    Image.fromarray(_trimap(np.asarray(alpha))).save(test / "alphamatting/A-trimap.png")
    return test


def test_the_report_has_all_parts(
    pictures: Path,
    weights: Path,
    test_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pymatting's place is taken by the truth, so that the order of its arguments is checked."""
    truth = np.asarray(Image.open(test_folder / "alphamatting/A-alpha.png")) / 255

    class Pymatting:
        @staticmethod
        def estimate_alpha_cf(image: NDArray[np.float64], trimap: NDArray[np.float64]) -> object:
            assert image.shape == (64, 64, 3) and set(np.unique(trimap)) == {0, 0.5, 1}
            assert 0 <= image.min() and image.max() <= 1
            return truth

        estimate_alpha_knn = estimate_alpha_cf

    monkeypatch.setitem(sys.modules, "pymatting", Pymatting)
    sheet = tmp_path / "sheet.png"
    command = [str(weights), "--test", str(test_folder), "--composites", "2", "--classical"]
    command += ["--foregrounds", str(pictures / "cutouts/photo"), "--sheet", str(sheet)]
    main([*command, "--backgrounds", str(pictures / "backgrounds")])
    report = json.loads(capsys.readouterr().out)
    assert report["people"]["pictures"] == report["composites"]["pictures"] == 2
    assert 0 <= report["people"]["iou"] <= 1
    rows = report["alphamatting"]
    kinds = ("free", "given", "half", "closed_form", "knn")
    assert set(rows) == {"free"} | {f"{kind}_unknown" for kind in kinds}
    assert all({"sad", "mse", "mad", "grad", "conn"} < set(row) for row in rows.values())
    assert rows["closed_form_unknown"]["sad"] < 1e-6 < rows["half_unknown"]["sad"]
    assert Image.open(sheet).width == 6 * 196 + 4  # two pictures a row, three tiles each


def test_no_composites_are_none(
    pictures: Path, weights: Path, test_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = ["--backgrounds", str(pictures / "backgrounds")]
    main([str(weights), "--test", str(test_folder), *sources, "--composites", "0"])
    assert set(json.loads(capsys.readouterr().out)) == {"people", "alphamatting"}
    with pytest.raises(OptionError, match="--composites -1: at least 0"):
        main([str(weights), *sources, "--composites", "-1"])


def test_nothing_to_score_is_an_error(weights: Path) -> None:
    with pytest.raises(OptionError, match="nothing to score"):
        main([str(weights)])


def test_a_given_trimap_is_kept() -> None:
    trimap = np.full((50, 70), 128, np.uint8)
    trimap[:10], trimap[40:] = 0, 255
    with torch.inference_mode():
        alpha = matte_given(Lightweight().eval(), Image.new("RGB", (70, 50)), trimap)
    assert alpha.shape == (50, 70)
    assert (alpha[:10] == 0).all() and (alpha[40:] == 1).all()


def test_half_is_half_where_the_trimap_is_unknown() -> None:
    trimap = np.array([[0, 127, 128, 255]], np.uint8)
    assert half_matte(trimap).tolist() == [[0, 0.5, 0.5, 1]]


@pytest.mark.parametrize("method", METHODS)
def test_classical_mattes_find_a_simple_edge(method: str) -> None:
    """A blue and a red half that mix over 8 columns: both methods interpolate between colours.

    Closed form is exact where colours lie on a line; KNN groups like with like, and is coarser.
    """
    pytest.importorskip("pymatting")
    truth = np.tile(np.clip((np.arange(32) - 12) / 8, 0, 1), (16, 1))
    colours = truth[..., None] * [220, 30, 30] + (1 - truth[..., None]) * [20, 40, 230]
    trimap = np.full((16, 32), 128, np.uint8)
    trimap[:, :8], trimap[:, 24:] = 0, 255
    alpha = classical_matte(method, Image.fromarray(colours.astype(np.uint8)), trimap)
    assert alpha.dtype == np.float32 and alpha.shape == truth.shape
    assert (alpha[:, :8] < 0.01).all() and (alpha[:, 24:] > 0.99).all()
    half = np.abs(half_matte(trimap) - truth).mean()
    assert np.abs(alpha - truth).mean() < 0.5 * half


def test_what_pymatting_prints_stays_off_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its warnings come there, and would break the JSON that `evaluate` prints."""

    def warns(pixels: object, trimap: object) -> object:
        print("PERFORMANCE WARNING")
        return trimap

    monkeypatch.setitem(sys.modules, "pymatting", SimpleNamespace(estimate_alpha_knn=warns))
    classical_matte("knn", Image.new("RGB", (4, 4)), np.full((4, 4), 128, np.uint8))
    assert capsys.readouterr() == ("", "PERFORMANCE WARNING\n")


def test_without_pymatting_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(EngineError, match="pip install pymatting"):
        classical_matte("knn", Image.new("RGB", (4, 4)), np.full((4, 4), 128, np.uint8))


def test_the_sheet_shows_a_dozen_from_the_best_to_the_worst() -> None:
    """Each found alpha is grey by its error, so the order can be read off the sheet."""
    gallery = Gallery()
    plane = np.ones((20, 30), np.float32)
    errors = np.random.default_rng(0).permutation(40) / 40
    for error in errors:
        gallery.add(float(error), Image.new("RGB", (30, 20)), plane, plane * np.float32(error))
    sheet = np.asarray(gallery.sheet())
    assert sheet.shape == (6 * 196 + 4, 6 * 196 + 4, 3)
    greys = [int(sheet[y * 196 + 100, x * 196 + 100, 0]) for y in range(SHOWN // 2) for x in (2, 5)]
    assert greys == sorted(greys) and greys[0] == 0
    assert abs(greys[-1] - 255 * max(errors)) <= 1


def test_a_few_pictures_are_all_shown() -> None:
    gallery = Gallery()
    for i in range(3):
        plane = np.zeros((8, 8), np.float32)
        gallery.add(i, Image.new("RGB", (8, 8)), plane, plane)
    assert gallery.sheet().height == 2 * 196 + 4


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    with pytest.raises(PictureError, match="no pictures in"):
        score_people(Checkpoint(Lightweight().eval()), tmp_path, Gallery())


def test_a_bundle_is_scored_beside_the_weights(
    pictures: Path, weights: Path, test_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(weights), "--test", str(test_folder), "--beside", str(DEFAULT)])
    report = json.loads(capsys.readouterr().out)
    beside = report.pop("beside")
    assert beside.keys() == report.keys() == {"people", "alphamatting"}
    assert beside["alphamatting"].keys() == report["alphamatting"].keys()
    half = [r["alphamatting"]["half_unknown"] for r in (report, beside)]
    assert half[0] == half[1]  # it depends on the pictures alone
    assert beside["people"]["mad"] != report["people"]["mad"]


class NeedsTrimap:
    """A net as the trimap nets are: no alpha without a trimap."""

    def whole(self, image: Image.Image) -> None:
        return None

    def given(self, image: Image.Image, trimap: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(trimap, np.float32) / np.float32(255)


def test_a_net_that_needs_a_trimap_is_scored_with_it_alone(test_folder: Path) -> None:
    rows = score_alphamatting(NeedsTrimap(), test_folder / "alphamatting", Gallery())
    assert rows.keys() == {"given_unknown", "half_unknown"}
    with pytest.raises(OptionError, match="needs a trimap: score it on --test DIR"):
        score_people(NeedsTrimap(), test_folder / "people", Gallery())


def test_pairs_of_such_a_net_are_scored_where_a_trimap_of_the_truth_is_unknown() -> None:
    """A step from 0 to 1 and one soft pixel: what is within 10 pixels of them, by hand."""
    alpha = np.zeros((64, 100), np.uint8)
    alpha[:, 40:] = 255
    alpha[2, 80] = 128
    unknown = np.zeros(alpha.shape, bool)
    unknown[:, 30:51] = True  # the edge is the first column of 255
    unknown[:13, 70:91] = True
    trimap = trimap_of(Image.fromarray(alpha))
    assert np.array_equal(trimap == 128, unknown)
    assert np.array_equal(trimap[~unknown], alpha[~unknown])
    grey = Image.fromarray(alpha)
    photo = Photo(Image.new("RGB", (100, 64)), grey, grey, (40, 0, 100, 64))
    row = score_pairs(NeedsTrimap(), [photo], Gallery())
    wrong = np.abs(alpha / 255 - 128 / 255)[unknown]
    assert row["sad"] == pytest.approx(wrong.sum() / 1000, rel=1e-5)
    assert row["mad"] == pytest.approx(wrong.mean(), rel=1e-5)
    assert row["band_px"] == 10
