"""Every pass on a graph it matches: places changed, the operator gone, outputs equal."""

from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from edgematte.checkpoint import random_model  # noqa: E402
from edgematte.export.passes import PASSES, Pass, rewrite  # noqa: E402
from edgematte.export.passes.fold_batch_norm import fold_batch_norm  # noqa: E402
from edgematte.export.passes.phase_upsample import phase_upsample  # noqa: E402
from edgematte.export.passes.slice_softmax import slice_softmax  # noqa: E402
from edgematte.models.octave import OCBlock  # noqa: E402
from edgematte.registry import LIGHTWEIGHT  # noqa: E402

pytestmark = pytest.mark.export


def rewritten(
    module: nn.Module, inputs: tuple[Tensor, ...], passes: tuple[Pass, ...], atol: float = 1e-5
) -> tuple[Counter[str], dict[str, int]]:
    """Operators after the passes, and places changed; outputs must be equal up to rounding."""
    module.eval()
    program = torch.export.export(module, inputs)
    after, changed = rewrite(program, inputs, passes)
    fresh = tuple(torch.randn_like(x) for x in inputs)
    with torch.no_grad():
        want, got = module(*fresh), after.module()(*fresh)
    torch.testing.assert_close(got, want, atol=atol, rtol=1e-5)
    nodes = after.graph.nodes
    return Counter(str(n.target) for n in nodes if n.op == "call_function"), changed


def unsettle(module: nn.Module) -> nn.Module:
    """BatchNorm statistics as after training: nothing is 0 or 1."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.running_mean, part.bias):
                assert tensor is not None
                nn.init.normal_(tensor)
            for tensor in (part.running_var, part.weight):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.3, 3)
    return module


def test_batch_norm_after_one_convolution_with_and_without_bias() -> None:
    for bias in (True, False):
        net = unsettle(nn.Sequential(nn.Conv2d(3, 4, 3, bias=bias), nn.BatchNorm2d(4), nn.ReLU()))
        ops, changed = rewritten(net, (torch.rand(1, 3, 8, 8),), (fold_batch_norm,))
        assert changed == {"fold_batch_norm": 1}
        assert ops["aten.batch_norm.default"] == 0 and ops["aten.conv2d.default"] == 1


def test_batch_norm_after_the_sum_of_two_octave_paths() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = unsettle(OCBlock(8, 8))

        def forward(self, high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
            pair: tuple[Tensor, Tensor] = self.block((high, low))
            return pair

    inputs = (torch.rand(1, 4, 8, 8), torch.rand(1, 4, 4, 4))
    ops, changed = rewritten(Net(), inputs, (fold_batch_norm,))
    assert changed == {"fold_batch_norm": 4} and ops["aten.batch_norm.default"] == 0


def test_batch_norm_stays_where_the_sum_is_used_elsewhere() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            z: Tensor = self.norm(y) + y
            return z

    ops, changed = rewritten(unsettle(Net()), (torch.rand(1, 3, 4, 4),), (fold_batch_norm,))
    assert changed == {"fold_batch_norm": 0} and ops["aten.batch_norm.default"] == 1


def test_batch_norm_after_a_nonlinearity_or_an_input_stays() -> None:
    net = unsettle(
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3))
    )
    _, changed = rewritten(net, (torch.rand(1, 3, 4, 4),), (fold_batch_norm,))
    assert changed == {"fold_batch_norm": 0}


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_softmax_over_few_channels_becomes_arithmetic(channels: int) -> None:
    inputs = (torch.rand(1, channels, 6, 5),)
    ops, changed = rewritten(nn.Softmax(dim=1), inputs, (slice_softmax,), atol=1e-6)
    assert changed == {"slice_softmax": 1} and ops["aten.softmax.int"] == 0


def test_softmax_keeps_its_range_for_extreme_logits() -> None:
    logits = torch.tensor([1e4, -1e4, 3.0]).reshape(1, 3, 1, 1).repeat(1, 1, 2, 2)
    program, _ = rewrite(torch.export.export(nn.Softmax(dim=1), (logits,)), (logits,))
    torch.testing.assert_close(program.module()(logits), logits.softmax(dim=1))


@pytest.mark.parametrize(("shape", "dim"), [((1, 8, 4, 4), 1), ((1, 3, 4, 4), 3), ((2, 3), 1)])
def test_other_softmaxes_stay(shape: tuple[int, ...], dim: int) -> None:
    ops, changed = rewritten(nn.Softmax(dim=dim), (torch.rand(shape),), (slice_softmax,))
    assert changed == {"slice_softmax": 0} and ops["aten.softmax.int"] == 1


class Enlarge(nn.Module):
    def __init__(self, cin: int, cout: int, *, bias: bool = True, **settings: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1, bias=bias, **settings)

    def forward(self, x: Tensor) -> Tensor:
        large = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear")
        out: Tensor = self.conv(large)
        return out


@pytest.mark.parametrize("shape", [(3, 3), (4, 7), (16, 9)])
@pytest.mark.parametrize(("cout", "bias"), [(1, True), (3, False)])
def test_enlarging_then_convolving_becomes_phases_borders_included(
    shape: tuple[int, int], cout: int, bias: bool
) -> None:
    inputs = (torch.rand(1, 5, *shape),)
    ops, changed = rewritten(Enlarge(5, cout, bias=bias), inputs, (phase_upsample,))
    assert changed == {"phase_upsample": 1} and ops["aten.pixel_shuffle.default"] == 1


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (Enlarge(4, 4, stride=2), (8, 8)),
        (Enlarge(4, 4, groups=2), (8, 8)),
        (Enlarge(4, 4), (2, 8)),  # nothing but border
    ],
)
def test_other_enlargings_stay(net: nn.Module, shape: tuple[int, int]) -> None:
    _, changed = rewritten(net, (torch.rand(1, 4, *shape),), (phase_upsample,))
    assert changed == {"phase_upsample": 0}


def test_all_passes_leave_the_whole_net_as_it_was() -> None:
    model, _ = random_model(LIGHTWEIGHT, {}, 0)
    ops, changed = rewritten(model, (torch.rand(1, 3, 64, 64),), PASSES, atol=1e-4)
    assert changed["fold_batch_norm"] == 147 and ops["aten.batch_norm.default"] == 0
    assert changed["slice_softmax"] == 1 and changed["phase_upsample"] == 1
