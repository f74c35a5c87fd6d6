"""Swin stages (Liu et al. 2021) for maps of any even size, with masked padding of windows.

A map is padded with zeros on both sides to multiples of the window, and no pixel attends to padding
("Lightweight Portrait Matting via Regional Attention and Refinement", section 3.4). Feature maps
are (B, H, W, C) here; every reshape keeps the rank at 5 or below.
"""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, cat, nn, softmax
from torch.nn import functional as F

WINDOW = 7
MASKED = -60.0  # added to a logit: exp(-60) is negligible, and it is no denormal number, which
# processors multiply forty times slower (the authors' exp(-100) is one)


class WindowAttention(nn.Module):
    """Multi-head attention inside windows, with a learned bias by relative position."""

    index: Tensor

    def __init__(self, channels: int, heads: int, window: int = WINDOW) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.scale = (channels // heads) ** -0.5
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias_table, std=0.02)
        self.register_buffer("index", relative_index(window), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B * windows, window^2, C), mask (windows, window^2, window^2) or None -> like x."""
        count, pixels, channels = (int(n) for n in x.shape)
        q, k, v = (
            part.reshape(count, pixels, self.heads, channels // self.heads).permute(0, 2, 1, 3)
            for part in self.qkv(x).split(channels, dim=-1)
        )
        logits = (q * self.scale) @ k.transpose(-2, -1) + self._bias()
        if mask is not None:
            logits = logits + mask.repeat(count // len(mask), 1, 1)[:, None]
        out = (softmax(logits, dim=-1) @ v).permute(0, 2, 1, 3).reshape(count, pixels, channels)
        projected: Tensor = self.proj(out)
        return projected

    def _bias(self) -> Tensor:
        pixels = self.window**2
        chosen = self.bias_table.index_select(0, self.index).reshape(pixels, pixels, self.heads)
        return chosen.permute(2, 0, 1)[None]


class SwinBlock(nn.Module):
    """Window attention and MLP, each after a LayerNorm and around a residual connection."""

    def __init__(self, channels: int, heads: int, shift: int, window: int = WINDOW) -> None:
        super().__init__()
        self.shift, self.window = shift, window
        self.norm1 = nn.LayerNorm(channels)
        self.attention = WindowAttention(channels, heads, window)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the same shape. A map of at most one window's side is not shifted."""
        batch, height, width, channels = (int(n) for n in x.shape)
        side = self.window
        shift = self.shift if min(height, width) > side else 0
        rows, columns = padding(height, side), padding(width, side)
        y = F.pad(self.norm1(x), (0, 0, *columns, *rows))
        tall, wide = height + sum(rows), width + sum(columns)
        y = to_windows(y, side, shift)
        mask = window_mask(height, width, side, shift)
        y = self.attention(y, None if mask is None else torch.tensor(mask, device=y.device))
        y = from_windows(y, (batch, tall, wide), side, shift)
        x = x + y[:, rows[0] : rows[0] + height, columns[0] : columns[0] + width]
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchMerging(nn.Module):
    """2x2 pixels become one: their channels are concatenated, normalised and halved."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C), both sides even -> (B, H/2, W/2, 2C)."""
        batch, height, width, channels = (int(n) for n in x.shape)
        x = x.reshape(batch * height // 2, 2, width // 2, 2, channels).permute(0, 2, 3, 1, 4)
        x = x.reshape(batch, height // 2, width // 2, 4 * channels)  # column by column
        merged: Tensor = self.reduction(self.norm(x))
        return merged


class Swin(nn.Module):
    """Patch embedding and four stages; returns the map of every stage, without a norm.

    Args:
        width: channels of the first stage; every later one has twice as many.
        depths: blocks of the stages; every second block is shifted by half a window.
        head_width: channels of an attention head.
        patch: side of a patch in pixels.
        last_shift: shift in the last stage too, where its map is larger than a window.
    """

    def __init__(
        self,
        width: int,
        depths: tuple[int, ...],
        head_width: int = 32,
        patch: int = 16,
        *,
        last_shift: bool = False,
    ) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.norm = nn.LayerNorm(width)
        widths = [width << i for i in range(len(depths))]
        shifts = [WINDOW // 2] * (len(depths) - 1) + [WINDOW // 2 if last_shift else 0]
        self.stages = nn.ModuleList(
            nn.Sequential(*(SwinBlock(c, c // head_width, i % 2 * shift) for i in range(depth)))
            for c, depth, shift in zip(widths, depths, shifts, strict=True)
        )
        self.merges = nn.ModuleList(PatchMerging(c) for c, _ in pairwise(widths))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W), sides multiples of 8 patches -> maps (B, C_i, H / (patch * 2^i), ...)."""
        x = self.norm(self.embed(image).permute(0, 2, 3, 1))
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(self.merges[i - 1](x) if i else x)
            maps.append(x.permute(0, 3, 1, 2))
        return maps


def padding(length: int, window: int) -> tuple[int, int]:
    """Pixels added before and after, so that ``length`` becomes a multiple of the window."""
    missing = -length % window
    return missing // 2, missing - missing // 2


@lru_cache(maxsize=64)
def window_mask(height: int, width: int, window: int, shift: int) -> NDArray[np.float32] | None:
    """The mask to add to logits, (windows, window^2, window^2); None if nothing is masked.

    A pair of pixels is masked if the key is padding or, in a shifted grid, if the two are on
    different sides of the wrapped border.
    """
    labels, real = [], []
    for length in (height, width):
        before, after = padding(length, window)
        whole = length + before + after
        label = np.zeros(whole, np.int64)
        if shift:
            label[-window:-shift], label[-shift:] = 1, 2
        inside = (np.arange(whole) >= before) & (np.arange(whole) < before + length)
        labels.append(label)
        real.append(np.roll(inside, -shift))
    region = _windows(labels[0][:, None] * 3 + labels[1], window)
    key = _windows(real[0][:, None] & real[1], window)
    allowed = (region[:, :, None] == region[:, None]) & key[:, None]
    return None if allowed.all() else np.where(allowed, np.float32(0), np.float32(MASKED))


def to_windows(x: Tensor, side: int, shift: int) -> Tensor:
    """(B, H, W, C), both sides multiples of ``side`` -> (B * windows, side^2, C), row by row.

    The map is rolled up and left by ``shift`` first.
    """
    batch, tall, wide, channels = (int(n) for n in x.shape)
    if shift:
        x = _roll(_roll(x, shift, 1), shift, 2)
    x = x.reshape(batch * tall // side, side, wide // side, side, channels)
    return x.permute(0, 2, 1, 3, 4).reshape(-1, side * side, channels)


def from_windows(x: Tensor, shape: tuple[int, int, int], side: int, shift: int) -> Tensor:
    """The reverse of :func:`to_windows`; ``shape`` is (B, H, W)."""
    batch, tall, wide = shape
    channels = int(x.shape[-1])
    x = x.reshape(batch * tall // side, wide // side, side, side, channels)
    x = x.permute(0, 2, 1, 3, 4).reshape(batch, tall, wide, channels)
    return _roll(_roll(x, tall - shift, 1), wide - shift, 2) if shift else x


def _windows(grid: NDArray[np.generic], side: int) -> NDArray[np.generic]:
    rows, columns = grid.shape
    split = grid.reshape(rows // side, side, columns // side, side)
    return split.transpose(0, 2, 1, 3).reshape(-1, side * side)


def relative_index(window: int) -> Tensor:
    """Entry of the bias table for every pair of a window's pixels, flat: query first."""
    row, column = np.divmod(np.arange(window * window), window)
    down = row[:, None] - row + window - 1
    across = column[:, None] - column + window - 1
    return torch.from_numpy((down * (2 * window - 1) + across).ravel())


def _roll(x: Tensor, start: int, dim: int) -> Tensor:
    """The map from ``start`` on, followed by what was before ``start``."""
    length = int(x.shape[dim])
    return cat([x.narrow(dim, start, length - start), x.narrow(dim, 0, start)], dim=dim)
