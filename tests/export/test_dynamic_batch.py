"""Graphs of dynamic batch: exported for onnx, checked at two batches, the same alpha at any."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

import onnx  # noqa: E402

from edgematte import testcard as cards  # noqa: E402
from edgematte.check.compare import compare_batches  # noqa: E402
from edgematte.cli import main  # noqa: E402
from edgematte.errors import OptionError  # noqa: E402
from edgematte.export import export  # noqa: E402
from edgematte.runtime.bundle import open_bundle  # noqa: E402
from edgematte.runtime.engines import Arrays, Engine, open_engine  # noqa: E402
from edgematte.runtime.engines.graph import RunnableGraph  # noqa: E402
from edgematte.runtime.host.trimap_source import EstimatedTrimap  # noqa: E402
from edgematte.runtime.load import load  # noqa: E402
from edgematte.runtime.matter import Matter  # noqa: E402
from edgematte.runtime.proof.goldens import read  # noqa: E402
from edgematte.runtime.proof.tolerances import TOLERANCES  # noqa: E402

pytestmark = pytest.mark.export

SMALL = {"dim": 24, "heads": 3, "detail": 8, "fusion": 16, "window": 3}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dynamic") / "dynamic.edgematte"
    options: dict[str, Any] = {"random_weights": True, "config": SMALL, "overlap": 16}
    export(
        "vitmatte-tiny",
        target="onnx",
        size=(96, 64),
        output=folder,
        dynamic_batch=True,
        **options,
    )
    return folder


def test_the_batch_is_open_and_nothing_else_is(bundle: Path) -> None:
    opened = open_bundle(bundle)
    (matte,) = opened.manifest.graphs
    assert matte.dynamic_batch
    proto = onnx.load(opened.file(matte)).graph
    for value in (*proto.input, *proto.output):
        first, *rest = value.type.tensor_type.shape.dim
        assert first.dim_param == "batch"
        assert all(axis.dim_value > 0 for axis in rest)
    stated = [d.where for d in opened.manifest.accuracy.differences if d.ok]
    assert "matte.alpha" in stated and "matte.alpha, batch of 4" in stated
    assert "[N, 3, 64, 96]" in (bundle / "REPORT.md").read_text()


@pytest.mark.parametrize("batch", [2, 3, 8])
def test_tiles_together_are_tiles_alone(bundle: Path, batch: int) -> None:
    """Of sizes that fill the last call and of such that do not."""
    picture, trimap = cards.testcard(211, 150), cards.testcard_trimap(211, 150)
    alone, together = load(bundle)(picture, trimap), load(bundle, batch=batch)(picture, trimap)
    assert alone.alpha[trimap == 128].std() > 0.05
    # Sums over another number of rows may be blocked differently: float32 rounding.
    np.testing.assert_allclose(together.alpha, alone.alpha, atol=1e-5)


def test_pictures_together_are_pictures_alone(bundle: Path) -> None:
    sizes = [(96, 64), (70, 40), (150, 64), (96, 90)]
    pictures = [cards.testcard(*size) for size in sizes]
    trimaps = [cards.testcard_trimap(*size) for size in sizes]
    trimaps[1][:] = 255  # nothing to do
    found = load(bundle, batch=4).many(pictures, trimaps)
    single = load(bundle)
    for matte, picture, trimap in zip(found, pictures, trimaps, strict=True):
        wanted = single(picture, trimap)
        np.testing.assert_array_equal(matte.trimap, wanted.trimap)
        np.testing.assert_allclose(matte.alpha, wanted.alpha, atol=1e-5)


def test_trimaps_that_are_not_given_are_estimated(bundle: Path) -> None:
    matter = load(bundle, batch=2)
    pictures = [cards.testcard(96, 64), cards.testcard(70, 40)]
    with pytest.raises(OptionError, match="needs a trimap"):
        matter.many(pictures)
    made = [cards.testcard_trimap(p.shape[1], p.shape[0]) for p in pictures]
    estimates = iter(made)
    source = EstimatedTrimap(lambda picture, clock: next(estimates))
    matter._opened = replace(matter._sourced, source=source)
    for found, trimap in zip(matter.many(pictures), made, strict=True):
        np.testing.assert_array_equal(found.trimap, trimap)
        assert found.alpha[trimap == 128].std() > 0.05


def test_a_call_takes_as_many_as_asked_for(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = RunnableGraph._call

    def counted(self: RunnableGraph, engine: Any, inputs: Any) -> dict[str, Any]:
        if self.graph.name == "matte":
            seen.append(len(inputs["image"]))
        return real(self, engine, inputs)

    monkeypatch.setattr(RunnableGraph, "_call", counted)
    picture, trimap = cards.testcard(96, 64), cards.testcard_trimap(96, 64)
    load(bundle, batch=3).many([picture] * 8, [trimap] * 8)
    assert sorted(seen) == [2, 3, 3]  # calls that run side by side end in any order


class Leaking(Engine):
    """Every tile gets a little of the one before it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        alpha = self.engine.run(inputs)["alpha"]
        return {"alpha": 0.99 * alpha + 0.01 * np.roll(alpha, 1, axis=0)}


def test_the_check_sees_tiles_that_leak_into_each_other(bundle: Path) -> None:
    opened = open_bundle(bundle)
    graph = opened.manifest.graph("matte")
    goldens = read(bundle, {"matte": graph})
    engine = open_engine("onnxruntime", opened.file(graph), graph)
    for one, ok in ((engine, True), (Leaking(engine), False)):
        calls = {"matte": RunnableGraph(graph, one)}
        (found,) = compare_batches(goldens, calls, "onnxruntime", TOLERANCES["fp32"])
        assert found.ok == ok, found


def test_a_server_is_sent_batches_and_is_proven_at_them(bundle: Path) -> None:
    pytest.importorskip("tritonclient.grpc", reason='needs pip install "edgematte[remote]"')
    from kserve_stub import Model, Stub, served

    opened = open_bundle(bundle)
    (graph,) = opened.manifest.graphs
    here = open_engine("onnxruntime", opened.file(graph), graph)
    tensors = {
        side: {t.name: ("FP32", [-1, *t.shape[1:]]) for t in getattr(graph, side)}
        for side in ("inputs", "outputs")
    }
    model = Model(lambda **given: here.run(given), **tensors, most=3)
    picture, trimap = cards.testcard(211, 150), cards.testcard_trimap(211, 150)
    with served(Stub({graph.name: model}, extensions=("model_configuration",))) as stub:
        where = ["--engine", "kserve", "--device", stub.device]
        assert main(["check", str(bundle), *where]) == 0
        far = load(bundle, engine="kserve", device=stub.device, batch=8)(picture, trimap)
    near = load(bundle, batch=3)(picture, trimap)
    assert np.array_equal(far.alpha, near.alpha), "calls of at most three, as the server takes"


def test_triton_is_sent_batches(bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("tritonclient.grpc", reason='needs pip install "edgematte[remote]"')
    from triton_stub import Request, Triton, config_of

    from edgematte.export.triton.repository import lay_out

    models = lay_out(open_bundle(bundle), tmp_path / "models", name="net", batch=3)
    config = config_of(models / "net-matte")
    assert config.max_batch_size == 3 and config.HasField("dynamic_batching")
    assert not config_of(models / "net").input[1].optional, "the net needs a trimap"
    picture, trimap = cards.testcard(211, 150), cards.testcard_trimap(211, 150)
    triton = Triton(models)
    (answer,) = triton.load("net").execute([Request(image=picture, trimap=trimap)])
    alpha = load(bundle, batch=3)(picture, trimap).alpha
    assert np.array_equal(answer.tensors[0].as_numpy(), alpha)
    assert max(count for _, count in triton.calls) == 3


def test_bench_counts_pictures(bundle: Path, capsys: Capture) -> None:
    arguments = ["--batch", "3", "--runs", "1", "--size", "96x64"]
    assert main(["bench", str(bundle), *arguments, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    whole = next(s for s in value["stages"] if s["name"] == "whole")
    assert value["batch"] == 3
    # The wall clock also sees what is between stages.
    assert 0 < value["pictures_per_s"] <= 3000 / whole["median_ms"]
    assert main(["bench", str(bundle), *arguments]) == 0
    out = capsys.readouterr().out
    assert "1 runs of 3 pictures" in out and "pictures per second" in out
    assert main(["info", str(bundle)]) == 0
    assert "[N, 3, 64, 96]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "options", "part"),
    [
        (
            "vitmatte-tiny",
            {"target": "openvino"},
            "dynamic_batch has no meaning for vitmatte-tiny to openvino; there are: opset,",
        ),
        (
            "vitmatte-tiny",
            {"target": "coreml"},
            "dynamic_batch has no meaning for vitmatte-tiny to coreml; there are: min_ios,",
        ),
        ("lightweight", {"target": "onnx"}, "no meaning for lightweight's cut fused"),
        ("diffmatte-vits", {"target": "onnx", "graphs": "tiles"}, "diffmatte-vits's cut tiles"),
        ("vitmatte-tiny", {"target": "onnx", "precision": "int8"}, "for fp32 and fp16"),
        ("vitmatte-tiny", {"target": "onnx", "ort": True}, "for servers and ort for phones"),
    ],
)
def test_where_a_dynamic_batch_makes_no_sense(
    model: str, options: dict[str, Any], part: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=part):
        export(model, random_weights=True, output=tmp_path / "x", dynamic_batch=True, **options)
    assert not (tmp_path / "x").exists()


def test_a_batch_for_a_fixed_graph_is_refused(tiny_bundle: Path, bundle: Path) -> None:
    with pytest.raises(OptionError, match="runs one call at a time; export a net on tiles to onnx"):
        load(tiny_bundle, batch=2)
    with pytest.raises(OptionError, match="batch 0: at least 1"):
        load(bundle, batch=0)
    with pytest.raises(
        OptionError, match="memory_mb has no meaning for vitmatte-tiny; it has: keep_known"
    ):
        load(bundle, memory_mb=100)
    matter: Matter = load(bundle)
    with pytest.raises(OptionError, match="1 trimaps for 2 pictures"):
        matter.many([cards.testcard(8, 8)] * 2, [cards.testcard_trimap(8, 8)])


def test_a_graph_says_its_shape_of_any_batch(bundle: Path) -> None:
    graph = open_bundle(bundle).manifest.graph("matte")
    assert [t.shape for t in graph.of_batch(5).inputs] == [(5, 3, 64, 96), (5, 1, 64, 96)]
    fixed = replace(graph, dynamic_batch=None)
    assert fixed.of_batch(5) == fixed and fixed.shape_of(graph.inputs[0]) == "[1, 3, 64, 96]"
