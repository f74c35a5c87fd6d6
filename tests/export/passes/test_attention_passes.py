"""Passes for attention, patches, transposed convolutions: equal results; near misses stay."""

from collections import Counter
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from edgematte.export.cuts.regional_central import CentralAttention  # noqa: E402
from edgematte.export.passes import Pass, rewrite  # noqa: E402
from edgematte.export.passes.fold_batch_norm import fold_batch_norm  # noqa: E402
from edgematte.export.passes.fold_normalization import fold_normalization  # noqa: E402
from edgematte.export.passes.late_division import late_division  # noqa: E402
from edgematte.export.passes.split_linear import fold_scale, split_linear  # noqa: E402
from edgematte.export.passes.transposed_conv import transposed_conv  # noqa: E402
from edgematte.models.regional.refine import RegionAttention  # noqa: E402

pytestmark = pytest.mark.export
Forward = Callable[..., Tensor]


class Net(nn.Module):
    """Layers by name, and a forward that uses them."""

    def __init__(self, forward: Forward, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.register_buffer("mean", torch.tensor([0.5, 0.4, 0.3]).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3, 0.25]).reshape(1, 3, 1, 1))
        self.told = forward

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.told(self, *inputs)


def changed(net: nn.Module, shape: tuple[int, ...], *passes: Pass) -> tuple[int, Counter[str]]:
    """Places the passes changed and operators after; what is computed must be the same."""
    torch.manual_seed(0)
    net.eval()
    inputs = (torch.rand(shape),)
    after, found = rewrite(torch.export.export(net, inputs), inputs, passes)
    fresh = (torch.randn(shape),)
    with torch.no_grad():  # sums of up to some hundred float32 products, in another order
        torch.testing.assert_close(after.module()(*fresh), net(*fresh), atol=2e-5, rtol=2e-5)
    nodes = after.graph.nodes
    return sum(found.values()), Counter(str(n.target) for n in nodes if n.op == "call_function")


# A picture's normalisation


@pytest.mark.parametrize("bias", [True, False])
def test_normalisation_goes_into_a_patch_embedding(bias: bool) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        return net.conv((x - net.mean) / net.std)  # type: ignore[no-any-return, operator]

    count, ops = changed(
        Net(forward, conv=nn.Conv2d(3, 8, 4, 4, bias=bias)), (1, 3, 16, 12), fold_normalization
    )
    assert count == 1 and ops["aten.sub.Tensor"] == ops["aten.div.Tensor"] == 0


def test_a_chain_of_numbers_and_channels_is_folded_in_its_order() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        return net.conv(((x * 2 + 1) / net.std - 0.25) * net.mean)  # type: ignore[no-any-return, operator]

    count, ops = changed(Net(forward, conv=nn.Conv2d(3, 8, 1)), (1, 3, 5, 5), fold_normalization)
    assert count == 1 and set(ops) == {"aten.conv2d.default"}


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: F.conv2d((x - net.mean) / net.std, net.conv.weight, padding=1),  # zeros
        lambda net, x: net.conv(y := x - net.mean) + y.mean(),  # used elsewhere
        lambda net, x: net.conv(net.mean - x),  # the other way round
        lambda net, x: net.conv(x - x.mean(dim=1, keepdim=True)),  # no constant
        lambda net, x: net.conv(torch.relu(x)),
        lambda net, x: net.conv(x * torch.linspace(0, 1, 8)),  # by column, not by channel
    ],
)
def test_what_is_no_normalisation_before_bare_patches_stays(forward: Forward) -> None:
    count, _ = changed(Net(forward, conv=nn.Conv2d(3, 4, 3)), (1, 3, 8, 8), fold_normalization)
    assert count == 0


# Linear layers


def attention(net: Net, x: Tensor) -> Tensor:
    count, length, width = (int(n) for n in x.shape)
    q, k, v = (
        part.reshape(count, length, 2, width // 2).permute(0, 2, 1, 3)
        for part in net.qkv(x).split(width, dim=-1)  # type: ignore[operator]
    )
    weights = F.softmax((q * 0.3) @ k.transpose(-2, -1), dim=-1)
    mixed: Tensor = (weights @ v).permute(0, 2, 1, 3).reshape(count, length, width)
    return mixed


@pytest.mark.parametrize("bias", [True, False])
def test_queries_keys_and_values_become_products_of_their_own(bias: bool) -> None:
    net = Net(attention, qkv=nn.Linear(8, 24, bias=bias))
    count, ops = changed(net, (3, 9, 8), split_linear, fold_scale)
    assert count == 2 and ops["aten.linear.default"] == 3
    assert ops["aten.split.Tensor"] == ops["aten.mul.Tensor"] == 0


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: torch.cat(net.qkv(x).split(2, dim=0)),  # rows, not channels
        lambda net, x: (y := net.qkv(x)).split(8, dim=-1)[0] + y.sum(),  # used elsewhere
        lambda net, x: torch.cat(net.qkv(x).split([4, 20], dim=-1)[::-1], dim=-1),
        lambda net, x: torch.cat((x * 2).split(4, dim=-1)[::-1], dim=-1),  # no linear layer
    ],
)
def test_other_splits_stay(forward: Forward) -> None:
    assert changed(Net(forward, qkv=nn.Linear(8, 24)), (4, 9, 8), split_linear)[0] == 0


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: (y := net.qkv(x)) * 0.5 + y,  # used elsewhere
        lambda net, x: torch.relu(net.qkv(x)) * 0.5,
        lambda net, x: net.qkv(x) * x.sum(),  # no number
    ],
)
def test_other_factors_stay(forward: Forward) -> None:
    assert changed(Net(forward, qkv=nn.Linear(8, 24)), (4, 9, 8), fold_scale)[0] == 0


# Softmax


def test_tiny_rows_are_divided_after_mixing() -> None:
    net = Net(attention, qkv=nn.Linear(8, 24))
    count, ops = changed(net, (3, 9, 8), late_division)
    assert count == 1 and ops["aten.softmax.int"] == 0


def test_large_logits_do_not_overflow() -> None:
    net = Net(lambda net, x: F.softmax(500 * x, dim=-1) @ x.transpose(-2, -1))
    count, _ = changed(net, (2, 5, 7), late_division)
    assert count == 1


@pytest.mark.parametrize(
    ("forward", "length"),
    [
        (lambda net, x: F.softmax(x, dim=-1) @ x.transpose(-2, -1), 49),  # engines do it better
        (lambda net, x: F.softmax(x, dim=-2) @ x.transpose(-2, -1), 7),
        (lambda net, x: (y := F.softmax(x, dim=-1)) @ x.transpose(-2, -1) + y.sum(), 7),
        (lambda net, x: F.softmax(x, dim=-1) * x, 7),
    ],
)
def test_other_softmaxes_stay(forward: Forward, length: int) -> None:
    assert changed(Net(forward), (2, 5, length), late_division)[0] == 0


# Transposed convolutions


@pytest.mark.parametrize(("kernel", "bias"), [(1, True), (3, True), (3, False), ((2, 5), True)])
def test_a_transposed_convolution_becomes_a_padded_one(
    kernel: int | tuple[int, int], bias: bool
) -> None:
    net = nn.Sequential(nn.ConvTranspose2d(6, 4, kernel, bias=bias), nn.BatchNorm2d(4))
    net[1].running_var = torch.rand(4) * 1.5 + 0.5
    count, ops = changed(net, (2, 6, 4, 5), transposed_conv, fold_batch_norm)
    assert count == 2 and set(ops) == {"aten.conv2d.default"}


@pytest.mark.parametrize("options", [{"stride": 2}, {"padding": 1}, {"groups": 2}, {"dilation": 2}])
def test_other_transposed_convolutions_stay(options: dict[str, int]) -> None:
    net = nn.ConvTranspose2d(6, 4, 3, **options)  # type: ignore[arg-type]
    assert changed(net, (2, 6, 4, 5), transposed_conv)[0] == 0


# The last block of cross-region attention


@pytest.mark.parametrize(("width", "heads", "k"), [(16, 2, 3), (128, 8, 8), (12, 1, 0)])
def test_the_central_block_without_keys_and_values_is_the_same(
    width: int, heads: int, k: int
) -> None:
    torch.manual_seed(1)
    block = RegionAttention(width, heads, central=True).eval()
    for weight in block.parameters():
        nn.init.normal_(weight, std=0.3)
    tokens, bias = torch.randn(20, k + 1, width), torch.randn(20, heads, k + 1, k + 1)
    with torch.no_grad():
        wanted, found = block(tokens, bias), CentralAttention(block)(tokens, bias)
    assert found.shape == (20, 1, width)
    # Sums of width products of float32 with a spread of up to 100, in another order.
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-4)
