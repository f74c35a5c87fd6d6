"""OpenVINO's and Core ML's quantizers on a small net; W8A8 of Core ML by the evaluator."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nncf")
openvino = pytest.importorskip("openvino")
pytest.importorskip("coremltools")

from torch import nn  # noqa: E402

from edgematte.calibration.quantizers import quantizable  # noqa: E402
from edgematte.calibration.scheme import Scheme  # noqa: E402
from edgematte.errors import OptionError  # noqa: E402
from edgematte.export.capture import Capture, TorchGraph, capture  # noqa: E402
from edgematte.export.mil.program import MilProgram  # noqa: E402
from edgematte.export.targets import Options, coreml  # noqa: E402
from edgematte.export.targets import openvino as target  # noqa: E402
from edgematte.manifest import Graph, Tensor  # noqa: E402

pytestmark = pytest.mark.export
SHAPE = (1, 3, 16, 16)
WEIGHTS = Scheme(activations=None)
ALLOWED = 0.03  # of the output's spread: see test_onnx_qdq.py; Core ML computes in half floats


@pytest.fixture(scope="module")
def captured() -> Capture:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 4, 3, padding=1))
    given = Tensor("x", SHAPE, "float32", "NCHW", (0.0, 1.0), "")
    made = Tensor("y", (1, 4, 16, 16), "float32", "NCHW", (-9.0, 9.0), "")
    return capture(TorchGraph(Graph("net", (given,), (made,)), net))


def feeds() -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [{"x": random.random(SHAPE, np.float32)} for _ in range(4)]


FRESH = {"x": np.random.default_rng(9).random(SHAPE, np.float32)}


def apart(a: Any, b: Any) -> float:
    return float(np.abs(a - b).mean() / a.std())


def run_openvino(model: Any) -> Any:
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", config)(FRESH)[0].copy()


def run_mil(model: Any, folder: Path) -> Any:
    model.save(str(folder / "m.mlpackage"))
    return MilProgram.load(folder / "m.mlpackage").run(FRESH)["y"]


def test_openvino_w8a8_and_weights_alone(captured: Capture) -> None:
    model = target.build(captured, Options("int8"))
    made = quantizable("openvino", model, feeds())
    exact = run_openvino(made.quantize(None))
    # nncf corrects biases by what it sees: four maps of 16x16 leave an offset of their own.
    assert 0 < apart(exact, run_openvino(made.quantize(Scheme()))) < 4 * ALLOWED
    small = quantizable("openvino", model, None)
    assert 0 < apart(exact, run_openvino(small.quantize(WEIGHTS))) < ALLOWED
    kept = small.quantize(Scheme(activations=None, skip=frozenset(small.nodes)))
    np.testing.assert_array_equal(exact, run_openvino(kept))
    with pytest.raises(OptionError, match="int16"):
        made.quantize(Scheme(activations="int16"))


@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_openvino_takes_a_method_for_its_ranges(captured: Capture, method: str) -> None:
    made = quantizable("openvino", target.build(captured, Options("int8")), feeds())
    exact = run_openvino(made.quantize(None))
    chosen = run_openvino(made.quantize(Scheme(method=method)))
    assert 0 < apart(exact, chosen) < 4 * ALLOWED
    assert apart(run_openvino(made.quantize(Scheme())), chosen) > 0, "the method changed nothing"
    with pytest.raises(OptionError, match="entropy"):
        made.quantize(Scheme(method="entropy"))


def test_openvino_scales_matrix_products_by_their_outputs() -> None:
    """Outputs of very different size keep their digits; one scale for all would lose the small."""
    torch.manual_seed(0)
    net = nn.Linear(64, 8)
    with torch.no_grad():
        net.weight *= 10.0 ** torch.arange(0, -8, -1)[:, None]
        net.bias.zero_()
    given = Tensor("x", (5, 64), "float32", "NC", (0.0, 1.0), "")
    made = Tensor("y", (5, 8), "float32", "NC", (-9.0, 9.0), "")
    captured = capture(TorchGraph(Graph("net", (given,), (made,)), net))
    part = quantizable("openvino", target.build(captured, Options("int8-weights")), None)
    x = np.random.default_rng(0).standard_normal((5, 64), np.float32)
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    exact, small = (
        openvino.Core().compile_model(part.quantize(scheme), "CPU", config)(x)[0]
        for scheme in (None, WEIGHTS)
    )
    for one in range(8):
        assert 0 < apart(exact[:, one], small[:, one]) < ALLOWED


def test_core_ml_w8a8_is_calibrated_and_evaluated_here(captured: Capture, tmp_path: Path) -> None:
    model = coreml.build(captured, Options("int8", min_ios=17))
    made = quantizable("coreml", model, feeds())
    exact = run_mil(made.quantize(None), tmp_path)
    whole = made.quantize(Scheme(method="minmax"))
    kinds = [op.type for op in _operations(whole)]
    assert kinds.count("quantize") >= 2 and kinds.count("dequantize") >= 2
    assert 0 < apart(exact, run_mil(whole, tmp_path)) < ALLOWED


def test_a_core_ml_scale_twice_too_small_is_far_outside(captured: Capture, tmp_path: Path) -> None:
    model = coreml.build(captured, Options("int8", min_ios=17))
    made: Any = quantizable("coreml", model, feeds())
    exact = run_mil(made.quantize(None), tmp_path)
    for seen in made.ranges.ranges.values():
        seen.lowest, seen.highest = seen.lowest / 4, seen.highest / 4
    broken = run_mil(made.quantize(Scheme(method="minmax")), tmp_path)
    assert apart(exact, broken) > 3 * ALLOWED


def test_core_ml_weights_alone_and_palettes(captured: Capture, tmp_path: Path) -> None:
    made = quantizable("coreml", coreml.build(captured, Options("int8-weights")), None)
    exact = run_mil(made.quantize(None), tmp_path)
    assert 0 < apart(exact, run_mil(made.quantize(WEIGHTS), tmp_path)) < ALLOWED
    palette = made.quantize(Scheme(weights="palette4", activations=None))
    # 16 values a weight: steps sixteen times those of 8 bits, at the most
    assert 0 < apart(exact, run_mil(palette, tmp_path)) < 16 * ALLOWED


def test_core_ml_has_no_8_bit_activations_before_ios_17(captured: Capture) -> None:
    with pytest.raises(OptionError, match="iOS 17"):
        quantizable("coreml", coreml.build(captured, Options("int8", min_ios=16)), feeds())


def _operations(model: Any) -> list[Any]:
    functions = model.get_spec().mlProgram.functions.values()
    blocks = [b for f in functions for b in f.block_specializations.values()]
    return [op for block in blocks for op in block.operations]
