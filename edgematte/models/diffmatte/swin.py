"""Swin with prior tokens, DiffMatte's third encoder.

"MatteFormer: Transformer-Based Image Matting via Prior-Tokens" (CVPR 2022), section 3.3. Before
each block the mean of the map over the unknown, the background and the foreground pixels joins the
stage's prior tokens. Every window attends to them; they go through the block's own layers, and see
nothing but themselves. Unlike in :mod:`edgematte.models.swin.network`, padding goes to the right
and the bottom and takes part in the attention.
"""

import torch
from torch import Tensor, cat, nn, softmax
from torch.nn import functional as F

from edgematte.models.swin.network import (
    WINDOW,
    PatchMerging,
    from_windows,
    relative_index,
    to_windows,
    window_mask,
)

PATCH_PX = 4
PRIORS = 3  # that a block adds: unknown, background, foreground


class PriorAttention(nn.Module):
    """Window attention with some prior tokens among the keys of every window.

    Args:
        channels: of the map.
        heads: of attention.
        priors: tokens; each has one bias a head, the same for all pixels.
    """

    index: Tensor

    def __init__(self, channels: int, heads: int, priors: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.bias_table = nn.Parameter(torch.empty((2 * WINDOW - 1) ** 2 + priors, heads))
        nn.init.trunc_normal_(self.bias_table, std=0.02)
        self.register_buffer("index", relative_index(WINDOW), persistent=False)

    def forward(self, x: Tensor, priors: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Windows (B * windows, 49, C), priors (B, P, C), mask (windows, 49, 49) -> both anew."""
        q, key, value = self.qkv(x).split(x.shape[-1], dim=-1)
        _, prior_key, prior_value = self.qkv(priors).split(x.shape[-1], dim=-1)
        keys = cat([key, _of_each_window(prior_key, len(x))], dim=1)
        values = cat([value, _of_each_window(prior_value, len(x))], dim=1)
        logits = (self._split(q) * self.scale) @ self._split(keys).transpose(-2, -1) + self._bias()
        if mask is not None:
            wide = F.pad(mask, (0, int(priors.shape[1])))  # no window is hidden from a prior
            logits = logits + wide.repeat(len(x) // len(mask), 1, 1)[:, None]
        out = softmax(logits, dim=-1) @ self._split(values)
        return self.proj(out.permute(0, 2, 1, 3).reshape(x.shape)), self.proj(prior_value)

    def _split(self, x: Tensor) -> Tensor:
        count, tokens, channels = (int(n) for n in x.shape)
        return x.reshape(count, tokens, self.heads, channels // self.heads).permute(0, 2, 1, 3)

    def _bias(self) -> Tensor:
        pixels = WINDOW * WINDOW
        near = self.bias_table.index_select(0, self.index).reshape(pixels, pixels, self.heads)
        priors = self.bias_table[(2 * WINDOW - 1) ** 2 :][None]
        return cat([near, priors.expand(pixels, -1, -1)], dim=1).permute(2, 0, 1)[None]


class PriorBlock(nn.Module):
    """A Swin block that the prior tokens pass too.

    Args:
        channels: of the map.
        heads: of attention.
        shift: of the windows.
        number: of the block in its stage, from 0: it is given so many sets of priors.
    """

    def __init__(self, channels: int, heads: int, shift: int, number: int) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(channels)
        self.attention = PriorAttention(channels, heads, PRIORS * (number + 1))
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor, areas: Tensor, priors: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map (B, H, W, C), areas (B, 3, H, W), priors of the blocks before -> both anew."""
        batch, height, width, _ = (int(n) for n in x.shape)
        means = area_means(x, areas)
        priors = means if priors is None else cat([priors, means], dim=1)
        tall, wide = height + -height % WINDOW, width + -width % WINDOW
        y = F.pad(self.norm1(x), (0, 0, 0, wide - width, 0, tall - height))
        mask = window_mask(tall, wide, WINDOW, self.shift)
        y, told = self.attention(
            to_windows(y, WINDOW, self.shift),
            self.norm1(priors),
            None if mask is None else torch.tensor(mask, device=x.device),
        )
        y = from_windows(y, (batch, tall, wide), WINDOW, self.shift)
        x = x + y[:, :height, :width]
        priors = priors + told
        return x + self.mlp(self.norm2(x)), priors + self.mlp(self.norm2(priors))


class Stage(nn.ModuleList):
    """Blocks that hand their priors on."""

    def forward(self, x: Tensor, areas: Tensor) -> Tensor:
        """Map (B, H, W, C) and areas (B, 3, H, W) -> the map."""
        priors: Tensor | None = None
        for block in self:
            x, priors = block(x, areas, priors)
        return x


class PriorSwin(nn.Module):
    """Normalised RGB and one-hot trimap -> one map of 8 ``width`` channels at 1/32.

    Args:
        width: channels of the first stage; every later one has twice as many.
        head_width: channels of an attention head.
        depth3: blocks of the third stage; the others have two.
    """

    stride = 32

    def __init__(self, width: int = 96, head_width: int = 32, depth3: int = 6) -> None:
        super().__init__()
        self.channels = 8 * width
        self.embed = nn.Conv2d(6, width, PATCH_PX, PATCH_PX)
        self.norm = nn.LayerNorm(width)
        widths = [width << i for i in range(4)]
        self.stages = nn.ModuleList(
            Stage(PriorBlock(c, c // head_width, i % 2 * (WINDOW // 2), i) for i in range(depth))
            for c, depth in zip(widths, (2, 2, depth3, 2), strict=True)
        )
        self.merges = nn.ModuleList(PatchMerging(c) for c in widths[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, 6, H, W), sides multiples of 32; planes 3 to 5 are background, unknown, foreground.

        Returns:
            (B, 8 width, H/32, W/32).
        """
        classes = x[:, 3:, ::PATCH_PX, ::PATCH_PX]
        areas = cat([classes[:, 1:2], classes[:, :1], classes[:, 2:]], dim=1)
        x = self.norm(self.embed(x).permute(0, 2, 3, 1))
        for i, stage in enumerate(self.stages):
            if i:
                x, areas = self.merges[i - 1](x), areas[:, :, ::2, ::2]
            x = stage(x, areas)
        return x.permute(0, 3, 1, 2)


def area_means(x: Tensor, areas: Tensor) -> Tensor:
    """Mean of a map (B, H, W, C) over each area (B, 3, H, W): (B, 3, C); zeros where it is empty.

    Both factors are scaled down before they are multiplied, so that no sum leaves float16's range.
    """
    pixels = int(x.shape[1]) * int(x.shape[2])
    weight = areas.flatten(2)
    share = weight.mean(dim=2, keepdim=True)
    mean: Tensor = (weight * pixels**-0.5) @ (x.flatten(1, 2) * pixels**-0.5)
    return mean / share.clamp(min=1 / pixels)


def _of_each_window(priors: Tensor, windows: int) -> Tensor:
    """(B, P, C) -> (windows, P, C): every window of a map sees its map's priors."""
    batch, count, channels = (int(n) for n in priors.shape)
    each = priors[:, None].expand(batch, windows // batch, count, channels)
    return each.reshape(windows, count, channels)
