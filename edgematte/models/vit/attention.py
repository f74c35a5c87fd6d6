"""Attention of a plain vision transformer: inside windows or over the map, by relative position."""

from typing import NamedTuple

import torch
from torch import Tensor, cat, nn, softmax
from torch.nn import functional as F

from edgematte.models.vit.windows import join, sample, split, spread


class Constants(NamedTuple):
    """What one block's attention makes of its weights for a size of map, or of windows."""

    rows: Tensor  # relative positions: (query row, key row, d)
    columns: Tensor  # (query column, key column, d)
    places: Tensor  # (rows * columns, rows + columns): a one in a pixel's row and column
    qkv_bias: Tensor  # (3 C), zeros for keys and values
    proj_bias: Tensor  # (C), with what the bias of the values adds


class Attention(nn.Module):
    """Multi-head attention over windows of a map, or over the whole of it.

    Args:
        dim: channels.
        heads: they divide ``dim``.
        grid: rows and columns that the relative tables are made for.
        window: side of a window; 0: no windows.
    """

    def __init__(self, dim: int, heads: int, grid: int, window: int = 0) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.scale = (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_rows = nn.Parameter(torch.zeros(2 * grid - 1, dim // heads))
        self.relative_columns = nn.Parameter(torch.zeros(2 * grid - 1, dim // heads))

    def constants(self, height: int, width: int, lattice: int = 1) -> Constants:
        """For a map of that size; ``lattice`` is the step of grid sampling, see :class:`ViT`.

        The bias of the keys adds the same to all logits of a query, which softmax does not see;
        that of the values is added whatever the weights. Without them a padded token, zeros that
        take part in the softmax, has keys and values of zeros: padding can come after projecting.
        """
        step = 1 if self.window else lattice
        rows, columns = (self.window or side for side in (height, width))
        query, key, value = self.qkv.bias.chunk(3)
        return Constants(
            _by_offset(self.relative_rows, rows)[::step, ::step],
            _by_offset(self.relative_columns, columns)[::step, ::step],
            places(rows // step, columns // step).to(self.relative_rows),
            cat([query, torch.zeros_like(key), torch.zeros_like(value)]),
            self.proj.bias + self.proj.weight @ value,
        )

    def forward(self, x: Tensor, constants: Constants) -> Tensor:
        """(B, h, w, C) -> the same shape."""
        height, width, channels = (int(n) for n in x.shape[1:])
        rows, columns = (int(t.shape[0]) for t in (constants.rows, constants.columns))
        qkv = F.linear(x, self.qkv.weight, constants.qkv_bias)
        if self.window:
            tall, wide = -(-height // rows) * rows, -(-width // columns) * columns
            if (tall, wide) != (height, width):
                qkv = F.pad(qkv, (0, 0, 0, wide - width, 0, tall - height))
            qkv = split(qkv, rows, columns)
        elif rows < height:
            qkv = sample(qkv, height // rows)
        pixels, depth = rows * columns, channels // self.heads
        qkv = qkv.reshape(-1, pixels, 3, self.heads, depth)
        qkv = qkv.permute(2, 0, 3, 1, 4).reshape(3, -1, pixels, depth)
        q, k, v = (part.reshape(-1, pixels, depth) for part in qkv.chunk(3))
        y = attend(q, k, v, self.scale, constants)
        y = y.reshape(-1, self.heads, pixels, depth).permute(0, 2, 1, 3)
        y = y.reshape(-1, rows, columns, channels)
        if self.window:
            y = join(y, tall, wide)
            if (tall, wide) != (height, width):
                y = y[:, :height, :width]
        elif rows < height:
            y = spread(y, height // rows)
        return F.linear(y, self.proj.weight, constants.proj_bias)


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float, constants: Constants) -> Tensor:
    """Attention with the bias q . R_row[y, y'] + q . R_column[x, x'], of the unscaled query.

    Both terms depend on a key by its row or its column only, so that they are further products of
    the same matrix product: queries are extended by what they give for every row and every column,
    keys by a one in their own row and column. No bias as large as the logits is ever made.

    Args:
        q: (N, rows * columns, d), a window and head each.
        k: like ``q``.
        v: like ``q``.
        scale: of q . k.
        constants: of the block.
    """
    pixels, depth = (int(n) for n in q.shape[1:])
    rows, columns = int(constants.rows.shape[0]), int(constants.columns.shape[0])
    grid = q.reshape(-1, rows, columns, depth)
    by_row = grid @ constants.rows.transpose(1, 2)
    by_column = (grid.transpose(1, 2) @ constants.columns.transpose(1, 2)).transpose(1, 2)
    q = cat([q * scale, by_row.flatten(1, 2), by_column.flatten(1, 2)], dim=2)
    k = cat([k, constants.places.expand(q.shape[0], pixels, rows + columns)], dim=2)
    return softmax(q @ k.transpose(1, 2), dim=-1) @ v


def places(rows: int, columns: int) -> Tensor:
    """Row and column of every pixel as ones among zeros: (rows * columns, rows + columns)."""
    row = torch.eye(rows).repeat_interleave(columns, 0)
    column = torch.eye(columns).repeat(rows, 1)
    return cat([row, column], dim=1)


def _by_offset(table: Tensor, length: int) -> Tensor:
    """A table of 2n - 1 offsets, resized linearly to ``length``, by query and key: (l, l, d)."""
    offsets = 2 * length - 1
    if len(table) != offsets:
        table = F.interpolate(table.T[None], offsets, mode="linear", align_corners=False)[0].T
    index = torch.arange(length, device=table.device)
    return table[index[:, None] - index + length - 1]
