"""ViTMatte's cut: tiles of PyTorch graphs are its forward; exports to every target pass."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgematte import testcard as cards  # noqa: E402
from edgematte.checkpoint import random_model  # noqa: E402
from edgematte.cli import main  # noqa: E402
from edgematte.errors import OptionError  # noqa: E402
from edgematte.export import export  # noqa: E402
from edgematte.export.cuts import vitmatte  # noqa: E402
from edgematte.export.torch_graph import torch_calls  # noqa: E402
from edgematte.models.vitmatte.network import ViTMatte  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.runtime.bundle import open_bundle  # noqa: E402
from edgematte.runtime.host.clock import Clock  # noqa: E402
from edgematte.runtime.load import load  # noqa: E402
from edgematte.runtime.nets.vitmatte.host import Sizes, TilesHost  # noqa: E402
from edgematte.runtime.nets.vitmatte.pipeline import pipeline  # noqa: E402
from edgematte.runtime.proof.difference import difference  # noqa: E402
from edgematte.runtime.proof.tolerances import CUT  # noqa: E402

pytestmark = pytest.mark.export

SMALL = {"dim": 24, "heads": 3, "detail": 8, "fusion": 16, "window": 3}


def made(
    size: tuple[int, int], overlap: int = 16, lattice: int = 1, **options: int
) -> tuple[ViTMatte, TilesHost]:
    model, _ = random_model(find("vitmatte-tiny"), SMALL | options, 1)
    assert isinstance(model, ViTMatte)
    model.mean.copy_(torch.tensor([0.3, 0.6, 0.1]))  # padding in another colour would show
    sizes = Sizes(overlap=overlap, lattice=lattice)
    return model, vitmatte.CUT.host("tiles", size, sizes, model)


@pytest.mark.parametrize(
    ("picture", "size", "lattice"),
    [
        ((96, 64), (96, 64), 1),  # a tile
        ((70, 41), (96, 64), 1),  # less than one
        ((150, 41), (96, 64), 1),  # less in one direction, more in the other
        ((201, 133), (96, 64), 1),
        ((201, 133), (96, 64), 2),
    ],
)
def test_tiles_of_graphs_are_the_training_forward(
    picture: tuple[int, int], size: tuple[int, int], lattice: int
) -> None:
    model, host = made(size, lattice=lattice)
    pixels, trimap = cards.testcard(*picture), cards.testcard_trimap(*picture)
    calls = torch_calls(vitmatte.CUT.graphs(model, host))
    alpha, same = pipeline(host, calls)(pixels, trimap, Clock())
    whole = vitmatte.CUT.reference(model, host, pixels, pixels, trimap)
    found = difference("cut", "alpha", "PyTorch", alpha, whole, CUT)
    assert found.ok, found
    assert np.array_equal(same, trimap)
    assert alpha[trimap == 128].std() > 0.05


def test_without_the_trimaps_known_pixels_alpha_is_the_forward_everywhere() -> None:
    """What the authors' code and transformers give for a picture of one tile."""
    model, host = made((96, 64))
    pixels, trimap = cards.testcard(96, 64), cards.testcard_trimap(96, 64)
    calls = torch_calls(vitmatte.CUT.graphs(model, host))
    own, _ = pipeline(replace(host, keep_known=False), calls)(pixels, trimap, Clock())
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        wanted = model(image, torch.from_numpy(trimap.copy())[None, None] / 255)[0, 0].numpy()
    found = difference("cut", "alpha", "PyTorch", own, wanted, CUT)
    assert found.ok, found
    assert np.abs(own - trimap / 255)[trimap != 128].max() > 0.05  # the net's, not the trimap's


def test_a_smaller_picture_is_padded_as_in_training() -> None:
    """Zeros right and below, after the normalisation: what the published code does."""
    model, host = made((96, 64))
    pixels, trimap = cards.testcard(80, 48), cards.testcard_trimap(80, 48)
    planes = torch.from_numpy(np.dstack([pixels, trimap]).transpose(2, 0, 1)[None] / 255).float()
    planes[:, :3] = (planes[:, :3] - model.mean[:, None, None]) / model.std[:, None, None]
    padded = torch.zeros(1, 4, 64, 96)
    padded[:, :, :48, :80] = planes
    with torch.no_grad():
        wanted = model.decoder(model.backbone(padded), padded)[0, 0, :48, :80].numpy()
    calls = torch_calls(vitmatte.CUT.graphs(model, host))
    alpha, _ = pipeline(host, calls)(pixels, trimap, Clock())
    unknown = trimap == 128
    np.testing.assert_allclose(alpha[unknown], wanted[unknown], atol=1e-5)  # float32 sums


@pytest.mark.parametrize("options", [{}, {"local": 0}, {"local": 2, "conv_neck": 0}])
def test_the_graph_is_static_and_of_rank_5_at_most(
    options: dict[str, int], static: Callable[[Any, tuple[str, ...]], None]
) -> None:
    """Its positions are constants: nothing looks them up."""
    model, host = made((96, 64), **options)
    (source,) = vitmatte.CUT.graphs(model, host)
    static(source, ("bicubic", "linear1d", "index", "gather", "arange"))


@pytest.mark.parametrize("target", ["onnx", "openvino", "coreml"])
def test_exports_are_within_the_tolerance(target: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"size": (96, 64), "random_weights": True, "config": SMALL}
    for precision in ("fp32", "fp16"):
        bundle = export(
            "vitmatte-tiny",
            target=target,
            precision=precision,
            output=tmp_path / f"{precision}.edgematte",
            overlap=24,
            **options,
        )
        assert isinstance(bundle.manifest.host, TilesHost)
        assert bundle.manifest.accuracy.ok and bundle.manifest.host.overlap == 24
        assert [g.name for g in bundle.manifest.graphs] == ["matte"]
    said = {
        "onnx": "ONNX Runtime, on the processor, runs 4",
        "openvino": "OpenVINO runs",
        "coreml": "",
    }
    assert said[target] in (tmp_path / "fp32.edgematte" / "REPORT.md").read_text()
    size = sum(f.stat().st_size for f in (tmp_path / "fp32.edgematte" / "golden").iterdir())
    assert size < 200_000


def test_it_mattes_pictures_of_any_size_and_says_how_to_get_a_trimap(tmp_path: Path) -> None:
    folder = tmp_path / "b.edgematte"
    export(
        "vitmatte-tiny",
        target="onnx",
        size=64,
        random_weights=True,
        config=SMALL,
        output=folder,
    )
    host = open_bundle(folder).manifest.host
    assert isinstance(host, TilesHost) and host.overlap == 32
    matter = load(folder)
    for size in ((64, 64), (40, 30), (200, 90)):
        trimap = cards.testcard_trimap(*size)
        found = matter(cards.testcard(*size), trimap)
        assert np.array_equal(found.trimap, trimap)
        known = trimap != 128
        assert np.array_equal(found.alpha[known], trimap[known] / np.float32(255))
        assert found.alpha[trimap == 128].std() > 0.01
    with pytest.raises(
        OptionError, match="needs a trimap: give one, or export the model with a cascade"
    ):
        matter(cards.testcard(64, 64))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"size": 48}, "size 48 is not a multiple of 32"),
        ({"patch": 320}, "patch has no meaning for vitmatte-tiny to onnx; there are: opset, ort"),
        ({"graphs": "split"}, "no cut 'split'; there are: tiles"),
        ({"overlap": 0}, "overlap 0: a whole number of pixels from 1 to 16384"),
        ({"overlap": 40, "size": 64}, "overlap 40: at most half a tile, 32 pixels"),
        ({"lattice": 3, "size": 128}, "lattice 3 needs sides that are multiples of 48"),
    ],
)
def test_options_without_a_meaning_are_refused(
    options: dict[str, Any], part: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=part):
        export(
            "vitmatte-tiny",
            target="onnx",
            random_weights=True,
            output=tmp_path / "b",
            **options,
        )


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--target", "onnx", "--tile", "100x64"], "size 100 is not a multiple of 32"),
        (
            ["--target", "coreml", "--dynamic-batch"],
            "--dynamic-batch has no meaning for vitmatte-tiny to coreml",
        ),
        (
            ["--target", "onnx", "--model", "vitmatte-s"],
            "ships no weights for vitmatte-s: give a checkpoint",
        ),
    ],
)
def test_the_command_line_refuses_in_one_line(
    arguments: list[str],
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--model", "vitmatte-tiny", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert part in line and not list(tmp_path.iterdir())
