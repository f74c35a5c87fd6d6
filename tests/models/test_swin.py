"""Swin's blocks against attention computed pixel by pixel, windows by their definition."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from edgematte.models.swin.network import (  # noqa: E402
    PatchMerging,
    Swin,
    SwinBlock,
    WindowAttention,
    padding,
    window_mask,
)

pytestmark = pytest.mark.export


def block(channels: int = 8, heads: int = 2, shift: int = 3) -> SwinBlock:
    torch.manual_seed(0)
    made = SwinBlock(channels, heads, shift).eval()
    torch.nn.init.normal_(made.attention.bias_table)  # a bias that shows
    return made


def by_pixels(made: SwinBlock, x: Any) -> Any:
    """The block's answer from its definition: each pixel asks the pixels of its window.

    Windows lie on the padded grid moved by the shift; those that a border cuts are cut.
    """
    height, width, channels = x.shape[1:]
    shift = made.shift if min(height, width) > 7 else 0
    attention = made.attention
    per_head = channels // attention.heads
    q, k, v = attention.qkv(made.norm1(x))[0].split(channels, dim=-1)
    top, left = padding(height, 7)[0], padding(width, 7)[0]
    rows = (np.arange(height) + top + (7 - shift) % 7) // 7
    columns = (np.arange(width) + left + (7 - shift) % 7) // 7
    out = torch.zeros(height, width, channels)
    for y in range(height):
        for z in range(width):
            keys = [
                (int(r), int(c))
                for r in np.flatnonzero(rows == rows[y])
                for c in np.flatnonzero(columns == columns[z])
            ]
            entries = [(y - r + 6) * 13 + z - c + 6 for r, c in keys]
            for head in range(attention.heads):
                part = slice(head * per_head, (head + 1) * per_head)
                bias = attention.bias_table[entries, head]
                logits = torch.stack([k[r, c, part] for r, c in keys]) @ q[y, z, part]
                weight = (logits / per_head**0.5 + bias).softmax(dim=0)
                out[y, z, part] = weight @ torch.stack([v[r, c, part] for r, c in keys])
    x = x + attention.proj(out)[None]
    return x + made.mlp(made.norm2(x))


@pytest.mark.parametrize("size", [(7, 7), (14, 21), (8, 8), (9, 14), (16, 5), (4, 4), (10, 24)])
@pytest.mark.parametrize("shift", [0, 3])
def test_a_block_is_attention_inside_windows(size: tuple[int, int], shift: int) -> None:
    made = block(shift=shift)
    x = torch.randn(1, *size, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(made(x), by_pixels(made, x), atol=2e-5, rtol=0)


def test_what_stands_in_the_padding_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    made, x = block(), torch.randn(2, 9, 12, 8)
    with torch.no_grad():
        zeros = made(x)
        plain = functional.pad
        monkeypatch.setattr(functional, "pad", lambda y, sides: plain(y, sides, value=50.0))
        fifties = made(x)
    assert torch.equal(zeros, fifties)


def test_frames_of_a_batch_do_not_see_each_other() -> None:
    made, x = block(), torch.randn(3, 12, 9, 8)
    with torch.no_grad():
        alone = torch.cat([made(frame[None]) for frame in x])
        torch.testing.assert_close(made(x), alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("last_shift", [False, True])
def test_the_last_stage_shifts_only_when_asked_to(last_shift: bool) -> None:
    """At 1024x1152 its map, 8x9, is larger than a window: the authors' last stage does not shift.

    The other stages shift at every size.
    """
    torch.manual_seed(0)
    swin = Swin(8, (1, 2, 1, 2), 8, last_shift=last_shift).eval()
    for module in swin.modules():
        if isinstance(module, WindowAttention):
            torch.nn.init.normal_(module.bias_table)
    blocks = [module for module in swin.modules() if isinstance(module, SwinBlock)]
    assert [b.shift for b in blocks] == [0, 0, 3, 0, 0, 3 if last_shift else 0]
    image = torch.rand(1, 3, 1024, 1152, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = swin(image)
        x = swin.merges[2](maps[2].permute(0, 2, 3, 1))
        assert tuple(x.shape[1:3]) == (8, 9)
        first, second = blocks[-2:]
        entered = first(x)
        wanted = by_pixels(second, entered)
        # Float32 sums of 49 products in another order, as in the test of a block.
        torch.testing.assert_close(maps[3].permute(0, 2, 3, 1), wanted, atol=2e-5, rtol=0)
        second.shift = 3 - second.shift  # the other way is far from it
        assert (by_pixels(second, entered) - wanted).abs().max() > 0.05


@pytest.mark.parametrize("length", range(1, 30))
def test_padding_goes_to_both_sides(length: int) -> None:
    before, after = padding(length, 7)
    assert (length + before + after) % 7 == 0 and before + after < 7 and 0 <= after - before <= 1


def test_maps_of_whole_windows_need_no_mask() -> None:
    assert window_mask(14, 21, 7, 0) is None
    shifted = window_mask(14, 21, 7, 3)
    assert shifted is not None and shifted.shape == (6, 49, 49)
    assert (shifted[0] == 0).all() and (shifted[-1] < 0).any()


def test_merging_stacks_the_four_pixels_column_by_column() -> None:
    merge = PatchMerging(2)
    x = torch.randn(1, 4, 6, 2)
    with torch.no_grad():
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        wanted = merge.reduction(merge.norm(torch.cat(corners, dim=-1)))
        torch.testing.assert_close(merge(x), wanted)


@pytest.mark.parametrize("size", [(128, 128), (256, 384), (896, 128)])
def test_any_multiple_of_128_gives_four_maps(size: tuple[int, int]) -> None:
    stages = Swin(8, (2, 2, 2, 1), 8).eval()
    with torch.no_grad():
        maps = stages(torch.rand(2, 3, *size))
    height, width = size
    assert [tuple(m.shape) for m in maps] == [
        (2, 8 << i, height // 16 >> i, width // 16 >> i) for i in range(4)
    ]
