"""The regional cut: host steps with PyTorch's graphs are its forward; exports pass their check."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from small_nets import SMALL  # noqa: E402

from edgematte import testcard  # noqa: E402
from edgematte.checkpoint import random_model  # noqa: E402
from edgematte.cli import main  # noqa: E402
from edgematte.errors import OptionError  # noqa: E402
from edgematte.export import export  # noqa: E402
from edgematte.export.cuts import regional  # noqa: E402
from edgematte.export.torch_graph import torch_calls  # noqa: E402
from edgematte.models.regional.network import Regional  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.runtime.bundle import open_bundle  # noqa: E402
from edgematte.runtime.host.clock import Clock  # noqa: E402
from edgematte.runtime.load import load  # noqa: E402
from edgematte.runtime.nets.regional.host import RegionsHost, Sizes  # noqa: E402
from edgematte.runtime.nets.regional.pipeline import pipeline  # noqa: E402
from edgematte.runtime.proof.difference import difference  # noqa: E402
from edgematte.runtime.proof.tolerances import CUT  # noqa: E402

pytestmark = pytest.mark.export


def made(size: tuple[int, int], regions: int, **options: int) -> tuple[Regional, RegionsHost]:
    model, _ = random_model(find("regional-tiny"), SMALL | options, 1)
    assert isinstance(model, Regional)
    return model, regional.CUT.host("regions", size, Sizes(regions=regions), model)


@pytest.mark.parametrize(
    ("picture", "options"),
    [
        ((256, 128), {}),
        ((200, 90), {}),
        ((300, 500), {}),
        ((256, 128), {"aliasing": 0, "search_range": 2, "k": 4}),
        ((256, 128), {"cra": 0}),
    ],
)
def test_host_steps_and_graphs_are_the_training_forward(
    picture: tuple[int, int], options: dict[str, int]
) -> None:
    model, host = made((256, 128), 48, **options)
    pixels = testcard.testcard(*picture)
    calls = torch_calls(regional.CUT.graphs(model, host))
    alpha, trimap = pipeline(host, calls)(pixels, None, Clock())
    whole = regional.CUT.reference(model, host, pixels, pixels, trimap)
    found = difference("cut", "alpha", "PyTorch", alpha, whole, CUT)
    assert found.ok, found
    assert 0.02 < (trimap == 128).mean() < 0.98 and alpha.std() > 0.05


def test_graphs_are_static_and_of_rank_5_at_most(
    static: Callable[[Any, tuple[str, ...]], None],
) -> None:
    model, host = made((256, 128), 6)
    for source in regional.CUT.graphs(model, host):
        static(source, ("nonzero", "topk", "sort", "_put"))


@pytest.fixture
def bundle(regional: Path) -> Path:
    return regional


def test_an_export_is_within_the_tolerance_and_small(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    assert isinstance(manifest.host, RegionsHost)
    assert manifest.accuracy.ok and manifest.host.regions == 40
    where = {d.where for d in manifest.accuracy.differences if d.equality == "export"}
    assert where == {f"{g.name}.{t.name}" for g in manifest.graphs for t in g.outputs}
    assert [g.name for g in manifest.graphs] == ["coarse", "encode", "refine"]
    assert sum(f.stat().st_size for f in (bundle / "golden").iterdir()) < 400_000


def test_it_mattes_pictures_of_any_size(bundle: Path) -> None:
    matter = load(bundle)
    for size in ((128, 128), (40, 30), (700, 300)):
        found = matter(testcard.testcard(*size))
        assert found.alpha.shape == found.trimap.shape == size[::-1]
        assert 0 <= found.alpha.min() and found.alpha.max() <= 1


def test_a_budget_holds_on_a_bundle(bundle: Path) -> None:
    picture = testcard.testcard(128, 128)
    found = load(bundle)(picture).counts
    assert found["regions refined"] == found["regions found"] > 20
    few = load(bundle, max_regions=20)(picture)
    assert few.counts == {"regions found": found["regions found"], "regions refined": 20}
    assert np.isfinite(load(bundle, budget_ms=0.001)(picture).alpha).all()


def test_a_stream_is_the_calls_one_by_one(bundle: Path) -> None:
    matter = load(bundle, threads=1)
    clip = [testcard.testcard(*size) for size in ((128, 100), (128, 100), (90, 128))]
    for reuse in (True, False):
        for frame, matte in zip(clip, matter.stream(clip, reuse=reuse), strict=True):
            np.testing.assert_array_equal(matte.alpha, matter(frame).alpha)


@pytest.mark.parametrize(
    ("target", "precision"),
    [
        ("onnx", "fp16"),
        ("openvino", "fp16"),
        ("coreml", "fp16"),
        ("openvino", "int8-weights"),
    ],
)
def test_low_precision_is_judged_on_pytorchs_choice_of_cells(
    target: str, precision: str, tmp_path: Path
) -> None:
    for package in {"openvino": ("openvino", "nncf"), "coreml": ("coremltools",)}.get(target, ()):
        pytest.importorskip(package)
    made = export(
        "regional-tiny",
        target=target,
        precision=precision,
        size=128,
        regions=40,
        random_weights=True,
        config=SMALL,
        output=tmp_path / "b",
        budget=0.05 if precision == "int8-weights" else None,
    )
    found = made.manifest.accuracy.differences
    ends = [d for d in found if d.equality == "end-to-end" and d.tolerance_max]
    assert ends and all(d.ok for d in found)
    assert max(d.max_abs for d in ends) < (0.01 if precision == "fp16" else 0.1)
    beside = [d for d in found if d.equality == "choices"]
    assert len(beside) >= 2 and all(d.tolerance_max is None for d in beside)
    with np.load(tmp_path / "b" / "golden" / "end_to_end.npz") as stored:
        assert stored["choice.cells"].shape[1] == 2 and len(stored["choice.cells"]) > 20


def test_the_check_notices_changed_biases(
    bundle: Path,
    tmp_path: Path,
    reseal: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The only weights outside of the graphs."""
    copied = Path(shutil.copytree(bundle, tmp_path / "b.edgematte"))
    assert main(["check", str(copied)]) == 0
    manifest: dict[str, Any] = json.loads((copied / "edgematte.json").read_text())
    table = np.array(manifest["host"]["bias_table"])
    manifest["host"]["bias_table"] = np.roll(table, 1, axis=0).tolist()
    (copied / "edgematte.json").write_text(json.dumps(manifest))
    reseal(copied)
    assert main(["check", str(copied)]) == 1
    assert "end-to-end" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"size": 192}, "size 192 is not a multiple of 128"),
        ({"patch": 320}, "patch has no meaning for regional-tiny to onnx; there are: opset, ort"),
        ({"graphs": "split"}, "no cut 'split'; there are: regions"),
        ({"regions": 0}, "regions 0: a whole number from 1"),
    ],
)
def test_options_without_a_meaning_are_refused(
    options: dict[str, Any], part: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=part):
        export(
            "regional-tiny",
            target="onnx",
            random_weights=True,
            output=tmp_path / "b",
            **options,
        )
