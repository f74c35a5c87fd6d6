"""Every pass on a graph it matches: places changed, the operator gone, outputs equal."""

from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from edgematte.checkpoint import random_model  # noqa: E402
from edgematte.export.passes import (  # noqa: E402
    ATTENTION,
    ONNX_CPU,
    OPENVINO,
    PORTABLE,
    Pass,
    rewrite,
)
from edgematte.export.passes.concat_by_sum import concat_by_sum  # noqa: E402
from edgematte.export.passes.erf_gelu import erf_gelu  # noqa: E402
from edgematte.export.passes.fold_batch_norm import fold_batch_norm  # noqa: E402
from edgematte.export.passes.pad_channels import pad_channels  # noqa: E402
from edgematte.export.passes.pad_inputs import pad_inputs  # noqa: E402
from edgematte.export.passes.phase_resize import phase_resize  # noqa: E402
from edgematte.export.passes.phase_upsample import phase_upsample  # noqa: E402
from edgematte.export.passes.pool_conv import pool_conv  # noqa: E402
from edgematte.export.passes.slice_softmax import slice_softmax  # noqa: E402
from edgematte.export.targets import passes_of  # noqa: E402
from edgematte.models.lightweight.octave import OCBlock  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.targets import find_target  # noqa: E402

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
    before = torch.export.export(nn.Softmax(dim=1), (logits,))
    program, _ = rewrite(before, (logits,), (slice_softmax,))
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


class Resize(nn.Module):
    def __init__(self, factor: float, **settings: Any) -> None:
        super().__init__()
        self.factor, self.settings = factor, settings

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(
            x, scale_factor=self.factor, mode="bilinear", **self.settings
        )


@pytest.mark.parametrize("factor", [4.0, 5.0, 8.0])
@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (6, 5)])
def test_bilinear_enlarging_becomes_phases_borders_included(
    factor: float, shape: tuple[int, int]
) -> None:
    ops, changed = rewritten(Resize(factor), (torch.rand(1, 3, *shape),), (phase_resize,))
    assert changed == {"phase_resize": 1} and ops["aten.upsample_bilinear2d.vec"] == 0


@pytest.mark.parametrize(
    ("net", "channels"), [(Resize(2.0), 3), (Resize(4.0), 5), (Resize(4.0, align_corners=True), 3)]
)
def test_bilinear_by_two_or_of_many_channels_stays(net: nn.Module, channels: int) -> None:
    _, changed = rewritten(net, (torch.rand(1, channels, 4, 4),), (phase_resize,))
    assert changed == {"phase_resize": 0}


class Joined(nn.Module):
    """Two maps of 8, or more, joined; `reused` makes one of them visible elsewhere."""

    def __init__(self, channels: int = 8, reused: bool = False) -> None:
        super().__init__()
        self.high = nn.Conv2d(4, channels, 1)
        self.low = nn.Conv2d(4, channels, 1, bias=False)
        self.last = nn.Conv2d(2 * channels, 3, 3, padding=1)
        self.reused = reused

    def forward(self, x: Tensor) -> Tensor:
        high = self.high(x).relu()
        low = nn.functional.interpolate(
            self.low(nn.functional.avg_pool2d(x, 2)).relu(), scale_factor=2.0
        )
        out: Tensor = self.last(torch.cat([high, low], dim=1))
        return out + high.mean() if self.reused else out


def test_joining_few_channels_becomes_a_sum() -> None:
    ops, changed = rewritten(Joined(), (torch.rand(1, 4, 8, 8),), (concat_by_sum,))
    assert changed == {"concat_by_sum": 1} and ops["aten.cat.default"] == 0


@pytest.mark.parametrize("net", [Joined(reused=True), Joined(channels=12)])
def test_joining_maps_used_elsewhere_or_wider_than_a_block_stays(net: nn.Module) -> None:
    _, changed = rewritten(net, (torch.rand(1, 4, 8, 8),), (concat_by_sum,))
    assert changed == {"concat_by_sum": 0}


class Narrow(nn.Module):
    """Octave block of 24 channels, what an encoder joins and slices, and a head that stays."""

    def __init__(self) -> None:
        super().__init__()
        self.high, self.low = nn.Conv2d(3, 12, 1), nn.Conv2d(3, 12, 1)
        self.block = unsettle(OCBlock(24, 24))
        self.depth = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        self.head = nn.Conv2d(24, 1, 1)

    def forward(self, high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.block((self.high(high), self.low(low)))
        whole = torch.cat([a, nn.functional.interpolate(b, scale_factor=2.0)], dim=1)
        deep = self.depth(whole)
        rows = torch.cat([deep[:, :, :2], deep[:, :, 2:]], dim=2)
        return self.head(rows), deep.flatten(2).softmax(dim=1)


def test_narrow_maps_are_padded_to_whole_blocks_and_nothing_else_changes() -> None:
    inputs = (torch.rand(1, 3, 8, 8), torch.rand(1, 3, 4, 4))
    module = Narrow().eval()
    after, changed = rewrite(
        torch.export.export(module, inputs), inputs, (fold_batch_norm, pad_channels)
    )
    assert changed["pad_channels"] > 8
    widths = [
        n.meta["val"].shape[1] for n in after.graph.nodes if n.target is torch.ops.aten.relu.default
    ]
    assert widths and all(width % 16 == 0 for width in widths)
    rewritten(module, inputs, (fold_batch_norm, pad_channels))


def test_whole_blocks_are_not_padded() -> None:
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 3, 1))
    _, changed = rewritten(net, (torch.rand(1, 3, 8, 8),), (pad_channels,))
    assert changed == {"pad_channels": 0}


class Read(nn.Module):
    """Maps of 6 channels that two convolutions and the caller read, then 9, 18, 3 and 8."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(6, 9, 3, padding=1), nn.Conv2d(6, 9, 1, stride=1)
        self.three, self.four = nn.Conv2d(18, 8, 3, bias=False), nn.Conv2d(8, 3, 1)
        self.five, self.grouped = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, groups=6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([self.one(x).relu(), self.two(x)], 1)
        return self.grouped(self.five(self.four(self.three(both)))), x + 1


def test_maps_that_webgpu_reads_wrongly_are_padded_and_no_others() -> None:
    ops, changed = rewritten(Read(), (torch.rand(1, 6, 12, 10),), (pad_inputs,))
    assert changed == {"pad_inputs": 3}
    assert ops["aten.cat.default"] == 1 + 2  # the maps of 6 channels are padded once
    after, _ = rewrite(
        torch.export.export(Read().eval(), (torch.rand(1, 6, 12, 10),)),
        (torch.rand(1, 6, 12, 10),),
        (pad_inputs,),
    )
    read = [
        n.args[0].meta["val"].shape[1]
        for n in after.graph.nodes
        if "conv" in str(n.target) and isinstance(n.args[0], torch.fx.Node)
    ]
    assert read == [8, 8, 24, 8, 3, 6]


@pytest.mark.parametrize("passes", [ONNX_CPU, OPENVINO, PORTABLE])
def test_the_passes_of_every_target_leave_the_whole_net_as_it_was(passes: tuple[Pass, ...]) -> None:
    model, _ = random_model(find("lightweight"), {}, 0)
    ops, changed = rewritten(model, (torch.rand(1, 3, 64, 64),), passes, atol=1e-4)
    assert changed["fold_batch_norm"] == 147 and ops["aten.batch_norm.default"] == 0
    elsewhere = {"split_concat", "erf_gelu", "transposed_conv", "fold_normalization"}
    elsewhere |= {p.__name__ for p in ATTENTION}  # pay on transformers and wide decoders
    assert all(count > 0 for name, count in changed.items() if name not in elsewhere)


def passes_for(name: str, precision: str = "fp32", **options: bool) -> tuple[Pass, ...]:
    """What an export to a target applies."""
    target = find_target(name)
    return passes_of(target, target.options(precision, **options))


def test_what_phones_get_has_only_portable_passes() -> None:
    assert passes_for("coreml", "fp16") == PORTABLE
    portable = (*PORTABLE, pad_inputs, erf_gelu)  # Erf is one operator once loaded
    assert passes_for("onnx", ort=True) == passes_for("onnx", portable=True) == portable
    assert passes_for("onnx") == ONNX_CPU and passes_for("openvino", "fp16") == OPENVINO


class Pooled(nn.Module):
    """A pool and a convolution, with the settings that matter to the rewrite."""

    def __init__(self, kernel: int, side: int, *, twice: bool = False, stride: int = 0) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(side, stride or None)
        self.conv = nn.Conv2d(3, 5, kernel)
        self.twice = twice

    def forward(self, x: Tensor) -> Tensor:
        small = self.pool(x)
        made: Tensor = self.conv(small)
        return made + small.mean() if self.twice else made


@pytest.mark.parametrize("side", [2, 3])
def test_an_average_pool_before_a_pointwise_convolution_becomes_its_stride(side: int) -> None:
    ops, changed = rewritten(Pooled(1, side), (torch.rand(1, 3, 13, 12),), (pool_conv,))
    assert changed == {"pool_conv": 1}
    assert ops["aten.avg_pool2d.default"] == 0 and ops["aten.conv2d.default"] == 1


@pytest.mark.parametrize(
    "net",
    [Pooled(3, 2), Pooled(1, 2, twice=True), Pooled(1, 2, stride=1)],
    ids=["3x3 convolution", "pool used twice", "overlapping pool"],
)
def test_other_pools_stay(net: nn.Module) -> None:
    ops, changed = rewritten(net, (torch.rand(1, 3, 12, 12),), (pool_conv,))
    assert changed == {"pool_conv": 0}
    assert ops["aten.avg_pool2d.default"] == 1


def test_pools_go_into_convolutions_only_where_activations_are_rounded() -> None:
    for target in ("onnx", "openvino"):
        assert pool_conv in passes_for(target, "int8")
        assert pool_conv not in passes_for(target, "fp32")
        assert pool_conv not in passes_for(target, "int8-weights")
