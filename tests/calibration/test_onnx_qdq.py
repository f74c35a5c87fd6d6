"""The ONNX quantizer on a small net, and damage that a comparison must see."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from torch import nn  # noqa: E402

from edgematte.calibration.quantizers import quantizable  # noqa: E402
from edgematte.calibration.quantizers.onnx import OnnxQuantizable  # noqa: E402
from edgematte.calibration.scheme import Scheme  # noqa: E402
from edgematte.errors import OptionError  # noqa: E402
from edgematte.export.capture import TorchGraph, capture  # noqa: E402
from edgematte.export.onnx_file import save_onnx  # noqa: E402
from edgematte.export.targets.onnx import to_onnx  # noqa: E402
from edgematte.manifest import Graph, Tensor  # noqa: E402
from edgematte.targets import TARGETS, OnnxOptions  # noqa: E402

pytestmark = pytest.mark.export
SHAPE = (1, 3, 16, 16)
OPSET = OnnxOptions("fp32").opset
ONNX = TARGETS["onnx"]


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
    with torch.no_grad():  # channels of very different size: what per-channel scales are for
        net[0].weight *= torch.logspace(-1, 1, 8)[:, None, None, None]
    given = Tensor("x", SHAPE, "float32", "NCHW", (0.0, 1.0), "")
    made = Tensor("y", (1, 4, 16, 16), "float32", "NCHW", (-9.0, 9.0), "")
    return to_onnx(capture(TorchGraph(Graph("net", (given,), (made,)), net)), OPSET)


def feeds(count: int = 4) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [{"x": random.random(SHAPE, np.float32)} for _ in range(count)]


def run(model: Any, feed: Mapping[str, Any]) -> Any:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(feed))[0]


def error(model: Any, other: Any) -> float:
    """Mean difference on a feed that did not calibrate, as a share of the output's spread."""
    feed = {"x": np.random.default_rng(9).random(SHAPE, np.float32)}
    a, b = run(model, feed), run(other, feed)
    return float(np.abs(a - b).mean() / a.std())


# 8 bits a tensor are steps of 1/255 of its range, some 6 standard deviations wide: an error of
# 6 / 255 / sqrt(12) = 0.7 % a rounding; three activations and two weights are rounded.
ALLOWED = 0.02


def test_w8a8_and_weights_alone_stay_close_and_16_bits_closer(model: Any) -> None:
    made = OnnxQuantizable(model, feeds())
    w8a8 = error(model, made.quantize(Scheme(method="minmax")))
    w8a16 = error(model, made.quantize(Scheme(method="minmax", activations="int16")))
    weights = OnnxQuantizable(model, None).quantize(Scheme(activations=None))
    assert 0 < w8a16 < w8a8 < ALLOWED and 0 < error(model, weights) < ALLOWED
    kinds = [node.op_type for node in weights.graph.node]
    assert "QuantizeLinear" not in kinds and kinds.count("DequantizeLinear") == 2


class Mixed(nn.Module):
    """Two convolutions and their sum; then a linear layer and a residual, as in a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 1)
        self.norm, self.linear = nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, x: Any) -> Any:
        tokens = (self.first(x) + self.second(x)).flatten(2).transpose(1, 2)
        return tokens + self.linear(self.norm(tokens))


def test_sums_have_8_bits_between_convolutions_and_stay_in_float_in_transformers() -> None:
    torch.manual_seed(0)
    given = Tensor("x", SHAPE, "float32", "NCHW", (0.0, 1.0), "")
    out = Tensor("y", (1, 256, 8), "float32", "NTC", (-9.0, 9.0), "")
    mixed = to_onnx(capture(TorchGraph(Graph("net", (given,), (out,)), Mixed().eval())), OPSET)
    made = OnnxQuantizable(mixed, feeds())
    kinds = [node.op_type for node in mixed.graph.node if node.name in made.nodes]
    assert sorted(kinds) in (["Add", "Conv", "Conv", "MatMul"], ["Add", "Conv", "Conv", "Gemm"])
    whole = made.quantize(Scheme(method="minmax"))
    assert error(mixed, whole) < ALLOWED
    from_integers = {n.output[0] for n in whole.graph.node if n.op_type == "DequantizeLinear"}
    sums = [
        all(i in from_integers for i in n.input) for n in whole.graph.node if n.op_type == "Add"
    ]
    assert sums.count(True) == 1 and False in sums  # that of the convolutions, not the residual


def test_a_trial_of_the_ladder_is_saved_without_a_manifest(model: Any, tmp_path: Path) -> None:
    made = OnnxQuantizable(model, feeds()).quantize(Scheme())
    given = Tensor("image", SHAPE, "float32", "NCHW", (0.0, 1.0), "")
    saved = save_onnx(made, Graph("net", (given,), ()), tmp_path, "", expand=False)
    session = onnxruntime.InferenceSession(
        tmp_path / saved.file, providers=["CPUExecutionProvider"]
    )
    assert session.run(None, feeds(1)[0])


def test_skipping_everything_is_float_and_quantizing_twice_is_equal(model: Any) -> None:
    made = quantizable(ONNX, model, feeds())
    skipped = made.quantize(Scheme(skip=frozenset(made.nodes)))
    assert error(model, skipped) == 0 and error(model, made.quantize(None)) == 0
    first, again = (made.quantize(Scheme()).SerializeToString() for _ in range(2))
    assert first == again


def test_feeds_are_read_one_at_a_time(model: Any) -> None:
    alive = [0, 0]

    class Counted(dict[str, Any]):
        def __del__(self) -> None:
            alive[0] -= 1

    def stream() -> Iterator[dict[str, Any]]:
        for feed in feeds(20):
            alive[0] += 1
            alive[1] = max(alive)
            yield Counted(feed)

    OnnxQuantizable(model, stream())
    assert alive[1] <= 3


def _damage(model: Any, suffix: str, change: Callable[[Any], Any]) -> Any:
    damaged = onnx.ModelProto.FromString(model.SerializeToString())
    for one in damaged.graph.initializer:
        if one.name.endswith(suffix):
            values = change(numpy_helper.to_array(one).copy())
            one.CopyFrom(numpy_helper.from_array(values, one.name))
            return damaged
    raise AssertionError(f"nothing ends in {suffix}")


@pytest.mark.parametrize(
    ("suffix", "change"),
    [
        ("x_zero_point", lambda z: z + np.uint8(60)),
        ("x_scale", lambda s: s * np.float32(0.5)),  # saturates
        ("w0_scale", lambda s: np.roll(s, 1)),  # a per-channel scale on the wrong channel
    ],
)
def test_a_broken_zero_point_scale_or_channel_order_is_far_outside(
    model: Any, suffix: str, change: Callable[[Any], Any]
) -> None:
    renamed = onnx.ModelProto.FromString(model.SerializeToString())
    first = renamed.graph.node[0]
    for one in renamed.graph.initializer:
        if one.name == first.input[1]:
            one.name = "w0"
    first.input[1] = "w0"
    whole = OnnxQuantizable(renamed, feeds()).quantize(Scheme(method="minmax"))
    assert error(model, whole) < ALLOWED
    assert error(model, _damage(whole, suffix, change)) > 3 * ALLOWED


def test_palettes_are_refused(model: Any) -> None:
    with pytest.raises(OptionError, match="palette4"):
        OnnxQuantizable(model, None).quantize(Scheme(weights="palette4", activations=None))
