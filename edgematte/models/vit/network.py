"""The plain vision transformer of ViTMatte (arXiv 2305.15272).

Blocks come in groups: the first of a group attend inside windows, the others over the whole map
(hybrid attention), and a residual bottleneck of convolutions ends the group (convolution neck).
Positions are learned, and attention adds a decomposed relative position bias (Li et al. 2022,
"Exploring plain vision transformer backbones for object detection").

Maps are (B, h, w, C) here, in patches; every reshape keeps the rank at 5 or below, and leaves the
batch open, so that a graph may be captured for any.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.models.vit.attention import Attention, Constants

NORM_EPS = 1e-6


class Tables(NamedTuple):
    """All that follows from a map's size and the weights alone; constants of a static graph."""

    position: Tensor  # (1, h, w, D)
    blocks: tuple[Constants, ...]


class Neck(nn.Module):
    """Residual bottleneck: 1x1, 3x3, 1x1 without biases, a norm after each.

    The last norm starts at zero, so that a pretrained transformer starts as it was.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Linear(dim, dim // 2, bias=False)  # 1x1
        self.norm1 = nn.LayerNorm(dim // 2, eps=NORM_EPS)
        self.conv2 = nn.Conv2d(dim // 2, dim // 2, 3, padding=1, bias=False)
        self.norm2 = nn.LayerNorm(dim // 2, eps=NORM_EPS)
        self.conv3 = nn.Linear(dim // 2, dim, bias=False)  # 1x1
        self.norm3 = nn.LayerNorm(dim, eps=NORM_EPS)
        nn.init.zeros_(self.norm3.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> the same shape."""
        y = F.gelu(self.norm1(self.conv1(x)))
        y = self.conv2(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = F.gelu(self.norm2(y))
        out: Tensor = x + self.norm3(self.conv3(y))
        return out


class Block(nn.Module):
    """Pre-norm transformer block, and the neck where it ends a group."""

    def __init__(self, dim: int, heads: int, grid: int, window: int, neck: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attention = Attention(dim, heads, window or grid, window)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.neck = Neck(dim) if neck else None

    def forward(self, x: Tensor, constants: Constants) -> Tensor:
        """(B, h, w, C) -> the same shape."""
        x = x + self.attention(self.norm1(x), constants)
        x = x + self.mlp(self.norm2(x))
        return x if self.neck is None else self.neck(x)


class ViT(nn.Module):
    """Picture -> one map of features at 1/16.

    ``forward(x: (B, in_channels, H, W)) -> (B, dim, H/16, W/16)``; H and W are multiples of 16, of
    any size. For graphs with static shapes give the constants of the size, ``tables(h, w)``.

    Grid sampling, the paper's low-memory option, is ``tables(h, w, lattice)``: in global blocks a
    patch attends to those alone that lie a multiple of ``lattice`` rows and columns away; h and w
    are multiples of it. The logits of a block shrink by its square.

    Args:
        dim: channels.
        depth: blocks.
        heads: of attention.
        window: side of a window, in patches.
        group: blocks of a group.
        local: of them attend inside windows, the first ones; 0: none (global attention only),
            ``group``: all (window attention only).
        conv_neck: with a residual bottleneck at the end of each group.
        in_channels: of the picture.
        patch: side of a patch in pixels.
        pretrained: rows and columns of the stored position embedding.
        grid: rows and columns that the relative tables of global blocks are stored for.
    """

    def __init__(
        self,
        *,
        dim: int = 384,
        depth: int = 12,
        heads: int = 6,
        window: int = 14,
        group: int = 3,
        local: int = 2,
        conv_neck: bool = True,
        in_channels: int = 4,
        patch: int = 16,
        pretrained: int = 14,
        grid: int = 32,
    ) -> None:
        super().__init__()
        self.patch, self.pretrained = patch, pretrained
        self.embed = nn.Conv2d(in_channels, dim, patch, patch)
        self.position = nn.Parameter(torch.empty(1, 1 + pretrained**2, dim))  # class token first
        nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.ModuleList(
            Block(
                dim,
                heads,
                grid,
                window if i % group < local else 0,
                conv_neck and (i + 1) % group == 0,
            )
            for i in range(depth)
        )

    def tables(self, height: int, width: int, lattice: int = 1) -> Tables:
        """The constants of a map of ``height`` by ``width`` patches."""
        attentions = (block.attention for block in self.blocks if isinstance(block, Block))
        blocks = tuple(one.constants(height, width, lattice) for one in attentions)
        return Tables(self._position(height, width), blocks)

    def _embed(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, h, w, D): the convolution, as a matrix product.

        oneDNN 3.x gives wrong results for bfloat16 convolutions whose stride is their size (4
        channels, with AMX), in PyTorch and in OpenVINO.
        """
        channels, height, width = (int(n) for n in x.shape[1:])
        rows, columns, side = height // self.patch, width // self.patch, self.patch
        x = x.reshape(-1, rows, side, columns, side).permute(0, 1, 3, 2, 4)
        x = x.reshape(-1, channels, rows * columns, side * side).permute(0, 2, 1, 3)
        x = x.reshape(-1, rows, columns, channels * side * side)
        return F.linear(x, self.embed.weight.flatten(1), self.embed.bias)

    def _position(self, height: int, width: int) -> Tensor:
        side = self.pretrained
        stored = self.position[:, 1:].reshape(1, side, side, -1)
        if (height, width) == (side, side):
            return stored
        resized = F.interpolate(
            stored.permute(0, 3, 1, 2), (height, width), mode="bicubic", align_corners=False
        )
        return resized.permute(0, 2, 3, 1)

    def forward(self, x: Tensor, tables: Tables | None = None) -> Tensor:
        """(B, in_channels, H, W) -> (B, dim, H/16, W/16)."""
        x = self._embed(x)
        chosen = tables or self.tables(int(x.shape[1]), int(x.shape[2]))
        x = x + chosen.position
        for block, constants in zip(self.blocks, chosen.blocks, strict=True):
            x = block(x, constants)
        return x.permute(0, 3, 1, 2)
