"""DiffMatte's cuts: host steps with PyTorch's graphs are a plain loop; exports pass their check."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgematte import testcard  # noqa: E402
from edgematte.check.steps import compare_steps, step_table  # noqa: E402
from edgematte.checkpoint import random_model  # noqa: E402
from edgematte.errors import OptionError  # noqa: E402
from edgematte.export import export  # noqa: E402
from edgematte.export.cuts import diffmatte  # noqa: E402
from edgematte.export.cuts.diffmatte_reference import reference_steps  # noqa: E402
from edgematte.export.torch_graph import torch_calls  # noqa: E402
from edgematte.models.diffmatte.network import DiffMatte  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.runtime.bundle import open_bundle  # noqa: E402
from edgematte.runtime.host.clock import Clock  # noqa: E402
from edgematte.runtime.load import load  # noqa: E402
from edgematte.runtime.nets.diffmatte.host import DiffusionHost, Sizes  # noqa: E402
from edgematte.runtime.nets.diffmatte.pipeline import pipeline  # noqa: E402
from edgematte.runtime.proof.difference import difference  # noqa: E402
from edgematte.runtime.proof.tolerances import CUT  # noqa: E402

pytestmark = pytest.mark.export

SMALL = {
    "diffmatte-vits": {"dim": 24, "depth": 3, "heads": 2, "window": 3, "base": 8},
    "diffmatte-res34": {"width": 8, "base": 8},
    "diffmatte-swint": {"width": 8, "head_width": 8, "depth3": 2, "base": 8},
    "diffmatte-lightweight": {"base": 8},
}


def made(name: str, size: tuple[int, int], cut: str = "whole") -> tuple[DiffMatte, DiffusionHost]:
    model, _ = random_model(find(name), SMALL[name], 1)
    assert isinstance(model, DiffMatte)
    patch = 64 if model.stride == 16 else 96
    return model, diffmatte.CUT.host(cut, size, Sizes(patch=patch, overlap=16), model)


@pytest.mark.parametrize(
    ("name", "cut", "picture"),
    [
        ("diffmatte-lightweight", "whole", (128, 192)),
        ("diffmatte-lightweight", "whole", (100, 77)),
        ("diffmatte-lightweight", "whole", (400, 300)),
        ("diffmatte-lightweight", "tiles", (120, 190)),
        ("diffmatte-vits", "whole", (110, 180)),
        ("diffmatte-res34", "tiles", (128, 192)),
        ("diffmatte-res34", "whole", (100, 150)),
        ("diffmatte-swint", "whole", (100, 150)),
    ],
)
def test_host_steps_and_graphs_are_a_plain_loop(
    name: str, cut: str, picture: tuple[int, int]
) -> None:
    """After every step, not only at the end."""
    model, host = made(name, (128, 192), cut)
    host = replace(host, steps=4, seed=7)
    pixels, trimap = testcard.testcard(*picture), testcard.testcard_trimap(*picture)
    calls = torch_calls(diffmatte.CUT.graphs(model, host))
    found = list(pipeline(host, calls).steps(pixels, trimap, Clock()))
    expected = reference_steps(model, host, pixels, trimap)
    assert len(found) == len(expected) == 4
    for ours, theirs in zip(found, expected, strict=True):
        one = difference("cut", "alpha", "PyTorch", ours, theirs, CUT)
        assert one.ok, one
    band = found[-1][trimap == 128]
    assert band.std() > 0.02 and (found[-1][trimap == 0] == 0).all()
    assert np.abs(found[0] - found[-1]).max() > 1e-3  # steps do something


@pytest.mark.parametrize("name", ["diffmatte-vits", "diffmatte-swint", "diffmatte-lightweight"])
def test_graphs_are_static_and_of_rank_5_at_most(
    name: str, static: Callable[[Any, tuple[str, ...]], None]
) -> None:
    model, host = made(name, (128, 192))
    for source in diffmatte.CUT.graphs(model, host):
        static(source, ("nonzero", "topk", "rand", "bicubic"))


def test_the_transformer_s_tables_are_those_of_the_size() -> None:
    model, host = made("diffmatte-vits", (96, 160))
    encode = diffmatte.CUT.graphs(model, host)[0].module
    image, trimap = torch.rand(1, 3, 160, 96), torch.rand(1, 3, 160, 96)
    with torch.no_grad():
        assert torch.allclose(encode(image, trimap), model.encode(image, trimap), atol=1e-5)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diffmatte") / "b.edgematte"
    options: dict[str, Any] = {"random_weights": True, "config": {"base": 4}, "patch": 64}
    options |= {"size": 128, "graphs": "tiles", "output": folder}
    export("diffmatte-lightweight", target="onnx", **options)
    return folder


def test_an_export_is_within_the_tolerance_and_small(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    assert manifest.accuracy.ok
    assert isinstance(manifest.host, DiffusionHost)
    assert (manifest.host.steps, manifest.host.seed) == (10, 0)
    where = {d.where for d in manifest.accuracy.differences}
    assert {"encode.feature", "denoise.matte", "noise.noise", "tiles.tiles", "alpha"} <= where
    assert sum(f.stat().st_size for f in (bundle / "golden").iterdir()) < 400_000


def test_bundle_and_pytorch_agree_step_by_step(bundle: Path) -> None:
    """fp32: 1e-4, the check's own limit, after every step."""
    opened = open_bundle(bundle)
    model, _ = random_model(find("diffmatte-lightweight"), {"base": 4}, 0)
    picture, trimap = testcard.testcard(128, 96), testcard.testcard_trimap(128, 96)
    found = [m.alpha for m in load(bundle).refine(picture, trimap)]
    host = opened.manifest.host
    assert isinstance(model, DiffMatte) and isinstance(host, DiffusionHost)
    errors = compare_steps(reference_steps(model, host, picture, trimap), found, trimap)
    assert [e.step for e in errors] == list(range(1, 11))
    assert max(e.max_abs for e in errors) < 1e-4
    lines = diffmatte.CUT.report(model, host, load(bundle), picture, trimap)
    assert lines[4:] == step_table(errors) and len(lines) == 16


def test_half_precision_s_error_does_not_grow_with_the_steps() -> None:
    """Weights rounded to float16: mean error after 10 steps at most twice that after 1."""
    model, host = made("diffmatte-lightweight", (128, 128))
    picture, trimap = testcard.testcard(128, 128), testcard.testcard_trimap(128, 128)
    exact = reference_steps(model, host, picture, trimap)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())
    rounded = reference_steps(model, host, picture, trimap)
    errors = compare_steps(exact, rounded, trimap)
    assert 0 < errors[-1].mean_abs < 2 * errors[0].mean_abs


def test_the_last_of_the_refined_mattes_is_the_matte(bundle: Path) -> None:
    matter = load(bundle)
    picture, trimap = testcard.testcard(200, 90), testcard.testcard_trimap(200, 90)
    mattes = list(matter.refine(picture, trimap))
    assert len(mattes) == 10
    assert np.array_equal(mattes[-1].alpha, matter(picture, trimap).alpha)
    with pytest.raises(OptionError, match="needs a trimap"):
        matter(picture)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"size": 96}, "size 96 is not a multiple of 64"),
        ({"graphs": "split"}, "no cut 'split'; there are: whole, tiles"),
        (
            {"patch": 64},
            "patch has no meaning for the cut whole of diffmatte-lightweight: it is of tiles",
        ),
        (
            {"overlap": 8},
            "overlap has no meaning for the cut whole of diffmatte-lightweight: it is of tiles",
        ),
        ({"graphs": "tiles", "size": 128, "patch": 192}, "larger than the frame"),
        ({"graphs": "tiles", "size": 128, "patch": 64, "overlap": 32}, "patch 64: at least 80"),
    ],
)
def test_options_without_a_meaning_are_refused(
    options: dict[str, Any], part: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=part):
        export(
            "diffmatte-lightweight",
            target="onnx",
            random_weights=True,
            output=tmp_path / "b",
            **options,
        )
