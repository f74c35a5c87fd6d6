"""The passes that make graphs fit GPUs of phones: equal before and after, and near misses stay."""

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from edgematte.checkpoint import random_model  # noqa: E402
from edgematte.export.passes import Pass, for_litert, rewrite  # noqa: E402
from edgematte.export.passes.four_axes import four_axes  # noqa: E402
from edgematte.export.passes.shared_products import shared_products  # noqa: E402
from edgematte.export.passes.spread_by_resize import spread_by_resize  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.targets import LiteRtOptions  # noqa: E402

pytestmark = pytest.mark.export


class Calls(nn.Module):
    def __init__(self, work: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.work = work

    def forward(self, x: Tensor) -> Tensor:
        return self.work(x)


def changed(
    work: Callable[[Tensor], Tensor], shape: tuple[int, ...], apply: Pass
) -> tuple[int, int]:
    """Places changed, and the most axes of a tensor after; values must be the same."""
    module, given = Calls(work).eval(), (torch.randn(shape),)
    after, found = rewrite(torch.export.export(module, given), given, (apply,))
    torch.testing.assert_close(after.module()(*given), module(*given), rtol=0, atol=0)
    values = [n.meta["val"] for n in after.graph.nodes if isinstance(n.meta.get("val"), Tensor)]
    return found[apply.__name__], max(value.ndim for value in values)


def windows(x: Tensor) -> Tensor:
    """(1, H, W, C) -> windows of 4x4, as in Swin."""
    batch, height, width, channels = x.shape
    cut = x.view(batch, height // 4, 4, width // 4, 4, channels)
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, channels).softmax(-1)


def heads(x: Tensor) -> Tensor:
    """(1, C, H, W) -> (H, heads, W, C / heads), and back."""
    batch, channels, height, width = x.shape
    cut = x.reshape(batch, 2, channels // 2, height, width).permute(3, 1, 4, 2, 0)
    inner = cut.flatten(3).sigmoid().reshape(height, 2, width, channels // 2, batch)
    return inner.permute(4, 1, 3, 0, 2).reshape(batch, channels, height, width)


def strides(x: Tensor) -> Tensor:
    """(H, W, C) -> pixels 4 apart, of which no two axes stay side by side, and back."""
    height, width, channels = x.shape
    cut = x.reshape(height // 4, 4, width // 4, 4, channels).permute(1, 3, 0, 2, 4)
    apart = cut.reshape(16, -1, channels).softmax(1)
    back = apart.reshape(4, 4, height // 4, width // 4, channels).permute(2, 0, 3, 1, 4)
    cells = back.permute(0, 2, 1, 3, 4).reshape(-1, 16, channels)  # no axes between the two
    return cells.sigmoid()


@pytest.mark.parametrize(
    ("work", "shape", "count"),
    [
        (strides, (8, 12, 5), 2),
        (lambda x: x.view(2, 3, 4, 5, 2).permute(4, 3, 2, 1, 0).reshape(10, -1), (6, 40), 1),
        (
            lambda x: x.view(2, 3, 4, 5, 2, 3).permute(2, 5, 1, 4, 0, 3).contiguous().view(-1),
            (720,),
            1,
        ),
        (windows, (1, 8, 12, 6), 1),
        (windows, (2, 8, 12, 6), 1),  # images and rows of windows stay side by side
        (heads, (1, 6, 3, 5), 2),
        (lambda x: x.view(1, 2, 3, 4, 5).transpose(1, 2).contiguous().view(-1, 5), (6, 20), 1),
    ],
)
def test_axes_are_moved_in_four(
    work: Callable[[Tensor], Tensor], shape: tuple[int, ...], count: int
) -> None:
    found, axes = changed(work, shape, four_axes)
    assert found == count and axes <= 4


@pytest.mark.parametrize(
    ("work", "shape"),
    [
        (lambda x: x.view(2, 3, 4, 5, 2).permute(4, 3, 2, 1, 0) + 1, (6, 40)),
        (lambda x: x.permute(0, 2, 3, 1), (1, 4, 5, 6)),  # four already
    ],
)
def test_what_needs_five_axes_stays(
    work: Callable[[Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    assert changed(work, shape, four_axes)[0] == 0


def test_one_value_a_channel_is_spread_by_a_resize() -> None:
    def spread(x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True).expand(-1, -1, 5, 7)

    assert changed(spread, (2, 3, 5, 7), spread_by_resize)[0] == 1
    as_it = lambda x: x.mean((2, 3), keepdim=True).expand_as(x)  # noqa: E731
    assert changed(as_it, (2, 3, 5, 7), spread_by_resize)[0] == 1
    assert changed(lambda x: x.expand(-1, -1, 5, 7), (2, 3, 1, 7), spread_by_resize)[0] == 0
    assert changed(lambda x: x.expand(-1, 3, 5, 7), (2, 1, 1, 1), spread_by_resize)[0] == 0


def test_the_lightweight_net_fits_four_axes() -> None:
    """Whatever has more, a GPU of a phone would leave to its processor."""
    model, _ = random_model(find("lightweight"), {}, 0)
    given = (torch.rand(1, 3, 128, 192),)
    before = torch.export.export(model.eval(), given)
    after, _ = rewrite(before, given, for_litert(LiteRtOptions("fp32")))
    values = [n.meta.get("val") for n in after.graph.nodes]
    assert max(value.ndim for value in values if isinstance(value, Tensor)) <= 4
    assert not any(n.target is torch.ops.aten.expand.default for n in after.graph.nodes)
    for one, other in zip(before.module()(*given), after.module()(*given), strict=True):
        # float32 sums of another order, as of every target (test_passes.py)
        torch.testing.assert_close(other, one, rtol=0, atol=1e-4)


class Positions(nn.Module):
    """Products with constants that all windows share, and two that are no such."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Buffer(torch.randn(4, 6, 3))
        self.places = nn.Buffer(torch.randn(7, 5))

    def forward(self, grid: Tensor, query: Tensor, keys: Tensor) -> tuple[Tensor, ...]:
        by_row = grid @ self.rows
        places = self.places.expand(len(keys), -1, -1)
        logits = query @ torch.cat([keys, places], 2).transpose(1, 2)
        own = query @ torch.cat([keys, keys[:, :, :5]], 2).transpose(1, 2)
        return by_row, logits, own, grid[:1] @ self.rows


def test_products_with_shared_constants_repeat_nothing() -> None:
    given = torch.randn(9, 4, 5, 6), torch.randn(9, 8, 15), torch.randn(9, 7, 10)
    module = Positions()
    after, found = rewrite(torch.export.export(module, given), given, (shared_products,))
    assert found == {"shared_products": 2}
    for one, other in zip(after.module()(*given), module(*given), strict=True):
        torch.testing.assert_close(one, other)  # the sums of 15 terms are of another order
    assert not any(n.target is torch.ops.aten.expand.default for n in after.graph.nodes)
