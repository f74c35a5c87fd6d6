"""SmoothQuant: the same function, and a smaller error of W8A8 where channels stick out."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnxruntime  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from edgematte.calibration.quantizers import quantizable  # noqa: E402
from edgematte.calibration.scheme import Scheme  # noqa: E402
from edgematte.calibration.smoothable import Smoothable  # noqa: E402
from edgematte.calibration.smoothing import smoothed  # noqa: E402
from edgematte.export.capture import Capture, TorchGraph, capture  # noqa: E402
from edgematte.export.targets import passes_of, writer_of  # noqa: E402
from edgematte.manifest import Graph  # noqa: E402
from edgematte.manifest import Tensor as Spec  # noqa: E402
from edgematte.targets import TARGETS, OnnxOptions  # noqa: E402

pytestmark = pytest.mark.export
WIDTH = 32
ONNX, INT8 = TARGETS["onnx"], OnnxOptions("int8")


class Block(nn.Module):
    """Two norms with a few large channels that layers take; one whose result is an answer too."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norms: list[nn.LayerNorm] = [nn.LayerNorm(WIDTH) for _ in range(3)]
        self.layers: list[nn.Linear] = [nn.Linear(WIDTH, WIDTH) for _ in range(4)]
        for i, part in enumerate([*self.norms, *self.layers]):
            self.add_module(str(i), part)
        outlying = torch.ones(WIDTH)
        outlying[[3, 17, 20]] = 80
        with torch.no_grad():
            for norm, layer in list(zip(self.norms, self.layers, strict=False))[:2]:
                norm.weight.mul_(outlying)
                norm.bias.add_(0.1).mul_(outlying)
                layer.weight.div_(outlying)
            self.layers[3].weight.div_(outlying)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (1, N, C) -> the same, twice."""
        first = self.norms[0](x)
        x = x + self.layers[1](self.norms[1](self.layers[0](first) + self.layers[3](first)))
        last = self.norms[2](x)
        return self.layers[2](last), last


def captured() -> tuple[Block, Capture, list[dict[str, Any]]]:
    shape = (1, 24, WIDTH)
    x, y, z = (Spec(n, shape, "float32", "NTC", (-4.0, 4.0), "tokens") for n in "xyz")
    net = Block().eval()
    made = capture(TorchGraph(Graph("block", (x,), (y, z)), net), passes_of(ONNX, INT8))
    random = np.random.default_rng(1)
    return net, made, [{"x": random.standard_normal(shape, np.float32)} for _ in range(4)]


def test_smoothing_changes_weights_and_not_what_is_computed() -> None:
    net, plain, feeds = captured()
    smooth, norms = smoothed(plain, feeds)
    assert norms == 2  # the last norm is an answer: its values must stay
    x = torch.from_numpy(feeds[0]["x"])
    with torch.no_grad():
        for found, wanted in zip(smooth.program.module()(x), net(x), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)  # factors of 80
    assert torch.equal(net.norms[0].weight, Block().norms[0].weight)  # the model's own stay


def error(model: Any, feed: dict[str, Any], wanted: Any) -> float:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return float(np.abs(session.run(["y"], feed)[0] - wanted).mean())


def test_outlying_channels_cost_less_once_smoothed() -> None:
    net, plain, feeds = captured()
    smooth, _ = smoothed(plain, feeds)
    parts = [quantizable(ONNX, writer_of(ONNX).build(c, INT8), feeds) for c in (plain, smooth)]
    pair = Smoothable(*parts)
    with torch.no_grad():
        wanted = net(torch.from_numpy(feeds[0]["x"]))[0].numpy()
    before, after = (
        error(pair.quantize(Scheme(smooth=smooth)), feeds[0], wanted) for smooth in (False, True)
    )
    assert after < before / 2
    assert error(pair.quantize(None), feeds[0], wanted) < 1e-4


def test_a_graph_without_norms_stays() -> None:
    spec = Spec("x", (1, 4), "float32", "NC", (-1.0, 1.0), "values")
    source = TorchGraph(Graph("g", (spec,), (spec,)), nn.Linear(4, 4).eval())
    made = capture(source)
    same, norms = smoothed(made, [{"x": np.ones((1, 4), np.float32)}])
    assert norms == 0 and same.program is made.program
