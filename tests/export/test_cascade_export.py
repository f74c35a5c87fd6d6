"""A bundle that finds its trimap itself: the lightweight net's segmentation beside a heavy net."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import edgematte
from edgematte import load
from edgematte.cli import main
from edgematte.errors import OptionError
from edgematte.export import export
from edgematte.host import StageHost
from edgematte.runtime.bundle import open_bundle
from edgematte.testcard import testcard as card
from edgematte.testcard import testcard_trimap as card_trimap

pytestmark = pytest.mark.export
NET = {"target": "onnx", "size": 64, "random_weights": True}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("alone") / "a.edgematte"
    export("vitmatte-tiny", output=output, **NET)  # type: ignore[arg-type]
    return output


def test_the_stage_is_a_graph_of_the_bundle_and_is_checked(cascade: Path) -> None:
    manifest = open_bundle(cascade).manifest
    assert [g.name for g in manifest.graphs] == ["matte", "trimap_stage"]
    assert isinstance(manifest.trimap_stage, StageHost) and manifest.trimap_stage.band_px == 2
    checked = {d.where for d in manifest.accuracy.differences if d.tolerance_max is not None}
    assert {"trimap_stage.trimap", "estimated trimap", "alpha"} <= checked
    first, card = manifest.stage_weights, open_bundle().manifest.weights
    assert first is not None and first.source.startswith("lightweight, ")
    assert (first.sha256, first.card) == (card.sha256, card.card), "of the default bundle"
    assert first.sha256[:16] in (cascade / "REPORT.md").read_text()
    assert main(["check", str(cascade)]) == 0
    assert main(["check", str(cascade), "--weights", "random"]) == 2, "no such checkpoint"


def test_a_picture_alone_is_enough_and_the_trimap_is_the_lightweight_nets(cascade: Path) -> None:
    picture = card(200, 160)
    matte = load(cascade)(picture)
    assert {"graph.trimap_stage", "graph.matte"} <= set(matte.timings)
    assert set(np.unique(matte.trimap)) <= {0, 128, 255} and (matte.trimap == 128).any()
    known = matte.trimap != 128
    np.testing.assert_array_equal(matte.alpha[known], matte.trimap[known] / np.float32(255))
    ours = load()(picture).trimap  # the default bundle's: the same net, a band of 4 px not 2
    assert np.mean(ours != matte.trimap) < 0.2


def test_a_higher_threshold_leaves_less_unknown_and_live_checks_know_it(
    cascade: Path, tmp_path: Path
) -> None:
    surer = export(
        "vitmatte-tiny", target="onnx", size=64, band_px=2, cascade="lightweight",
        unknown_threshold=0.6, output=tmp_path / "s.edgematte",
    )  # fmt: skip
    picture = card(200, 160)
    few, many = (load(path)(picture).trimap == 128 for path in (surer.path, cascade))
    assert few.any() and np.all(many[few]) and few.sum() < many.sum()
    shipped = Path(edgematte.__file__).parent / "weights" / "vitmatte-tiny.safetensors"
    assert main(["check", str(surer.path), "--weights", str(shipped)]) == 0


def test_a_trimap_that_is_given_is_used(cascade: Path, alone: Path) -> None:
    picture, trimap = card(100, 80), card_trimap(100, 80)
    one, other = load(cascade)(picture, trimap), load(alone)(picture, trimap)
    assert "graph.trimap_stage" not in one.timings
    np.testing.assert_array_equal(one.trimap, trimap)
    np.testing.assert_array_equal(one.alpha, other.alpha)


def test_without_stage_and_trimap_the_error_names_both_ways_out(
    alone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    Image.fromarray(card(100, 80)).save(tmp_path / "p.png")
    asked = ["matte", str(tmp_path / "p.png"), "-o", str(tmp_path / "o.png")]
    assert main([*asked, "--bundle", str(alone)]) == 2
    told = capsys.readouterr().err
    assert "needs a trimap: give one, or export the model with a cascade" in told
    assert "Traceback" not in told
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    ("model", "options", "match"),
    [
        ("lightweight", {"cascade": "lightweight"}, "takes no cascade"),
        ("vitmatte-tiny", {"cascade": "regional"}, "there is: lightweight"),
        ("vitmatte-tiny", {"cascade": "hdmatt"}, "there is: lightweight, lightweight-wide, and"),
        ("vitmatte-tiny", {"band_px": 3}, "give a cascade too"),
        ("vitmatte-tiny", {"unknown_threshold": 0.3}, "give a cascade too"),
        ("vitmatte-tiny", {"cascade": "lightweight", "band_px": -1}, "at least 0"),
        ("vitmatte-tiny", {"cascade": "lightweight", "unknown_threshold": 1.5}, "from 0 to 1"),
    ],
)
def test_stages_that_make_no_sense_are_refused(
    model: str, options: dict[str, object], match: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=match):
        export(model, output=tmp_path / "x.edgematte", **NET, **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_int8_weights_hold_for_both_graphs(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    bundle = export(
        "vitmatte-tiny",
        output=tmp_path / "i.edgematte",
        cascade="lightweight",
        precision="int8-weights",
        budget=0.1,
        **NET,  # type: ignore[arg-type]
    )
    assert all(g.expand_weights for g in bundle.manifest.graphs)
    assert json.loads(bundle.manifest.to_json())["ladder"][0]["inside"]
