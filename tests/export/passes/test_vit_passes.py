"""The passes that pay on transformers with a decoder of wide maps."""

from collections import Counter

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from edgematte.export.capture import TorchGraph, capture  # noqa: E402
from edgematte.export.passes import ONNX_CPU, Pass, rewrite  # noqa: E402
from edgematte.export.passes.erf_gelu import erf_gelu  # noqa: E402
from edgematte.export.passes.split_concat import split_concat  # noqa: E402
from edgematte.export.targets.onnx import WRITER  # noqa: E402
from edgematte.manifest import Graph  # noqa: E402
from edgematte.manifest import Tensor as Spec  # noqa: E402
from edgematte.targets import OnnxOptions  # noqa: E402

pytestmark = pytest.mark.export


class Fusion(nn.Module):
    """Maps side by side into one convolution."""

    def __init__(
        self,
        channels: tuple[int, ...],
        bias: bool,
        groups: int = 1,
        kernel: int = 3,
        outputs: int = 16,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            sum(channels), outputs, kernel, padding=kernel // 2, bias=bias, groups=groups
        )

    def forward(self, *maps: Tensor) -> Tensor:
        made: Tensor = self.conv(torch.cat(maps, dim=1))
        return made


class Twice(Fusion):
    """The concatenation is an answer too."""

    def forward(self, *maps: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        whole = torch.cat(maps, dim=1)
        return self.conv(whole), whole


def changed(module: nn.Module, inputs: tuple[Tensor, ...], apply: Pass) -> tuple[int, Counter[str]]:
    """Places changed and operators after; what the graph computes must be the same."""
    program = torch.export.export(module.eval(), inputs)
    after, found = rewrite(program, inputs, (apply,))
    fresh = tuple(torch.randn_like(x) for x in inputs)
    with torch.no_grad():  # sums of a few hundred float32 products, in another order
        torch.testing.assert_close(after.module()(*fresh), module(*fresh), atol=1e-5, rtol=1e-5)
    ops = Counter(str(n.target) for n in after.graph.nodes if n.op == "call_function")
    return found[apply.__name__], ops


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("channels", [(4, 64), (20, 4, 40)])
def test_a_convolution_of_maps_side_by_side_is_split(channels: tuple[int, ...], bias: bool) -> None:
    maps = tuple(torch.rand(1, c, 6, 7) for c in channels)
    count, ops = changed(Fusion(channels, bias), maps, split_concat)
    assert count == 1 and ops["aten.cat.default"] == 0
    assert ops["aten.conv2d.default"] == len(channels)


@pytest.mark.parametrize(
    "module",
    [
        Fusion((4, 8), True),
        Fusion((32, 32), True, groups=8),
        Fusion((32, 32), True, kernel=1),
        Fusion((4, 64), True, outputs=8),
        Twice((4, 64), True),
    ],
)
def test_narrow_grouped_pointwise_and_shared_ones_stay(module: Fusion) -> None:
    first = {12: 4, 64: 32, 68: 4}[module.conv.in_channels]
    maps = tuple(torch.rand(1, c, 6, 7) for c in (first, module.conv.in_channels - first))
    count, ops = changed(module, maps, split_concat)
    assert count == 0 and ops["aten.cat.default"] == 1


def test_gelu_is_written_out_and_its_approximation_is_not() -> None:
    x = (torch.linspace(-4, 4, 24).reshape(1, 24),)
    assert changed(nn.GELU(), x, erf_gelu) == (
        1,
        Counter(
            {
                "aten.mul.Tensor": 2,
                "aten.div.Tensor": 1,
                "aten.erf.default": 1,
                "aten.add.Tensor": 1,
            }
        ),
    )
    assert changed(nn.GELU(approximate="tanh"), x, erf_gelu)[0] == 0


def test_onnx_runtime_sees_one_gelu(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The reason for the order of its operators."""
    spec = Spec("x", (1, 6, 16), "float32", "NTC", (-4.0, 4.0), "tokens")
    out = Spec("y", (1, 6, 16), "float32", "NTC", (-4.0, 4.0), "tokens")
    net = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
    source = TorchGraph(Graph("mlp", (spec,), (out,)), net)
    model = WRITER.build(capture(source, ONNX_CPU), OnnxOptions("fp32"))
    folder = tmp_path_factory.mktemp("gelu")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = np.linspace(-3, 3, 96, dtype=np.float32).reshape(1, 6, 16)
    with torch.no_grad():
        wanted = net(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(session.run(None, {"x": x})[0], wanted, atol=1e-5)
    written = (folder / "optimized.onnx").read_bytes()
    assert b"Gelu" in written and b"Erf" not in written
