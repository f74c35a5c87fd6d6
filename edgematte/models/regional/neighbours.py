"""Neighbours of regions by comparing every pair, as at training time (section 3.3)."""

import torch
from torch import Tensor

PAIRS = 1 << 24  # compared at a time


def nearest(where: Tensor, k: int) -> Tensor:
    """The k nearest regions of each, among those of the same frame: (N, k) indices.

    Nearer first; of two as near, the upper row first, then the left column. A frame with at most
    k regions has the region itself after the others, and repeats the whole list.

    Args:
        where: int64 (N, 3): frame, row, column, in ascending order.
        k: how many.
    """
    indices = torch.empty(len(where), k, dtype=torch.int64, device=where.device)
    for frame in sorted(set(where[:, 0].tolist())):
        (members,) = (where[:, 0] == frame).nonzero(as_tuple=True)
        indices[members] = members[_nearest(where[members, 1:], k)]
    return indices


def _nearest(cells: Tensor, k: int) -> Tensor:
    count = len(cells)
    order = torch.arange(count, device=cells.device)  # ascending cells: the order of ties
    kept = min(k, count)
    parts = []
    for chunk in torch.split(order, max(1, PAIRS // count)):
        apart = (cells[chunk, None] - cells[None]).square().sum(dim=-1)
        apart[torch.arange(len(chunk), device=cells.device), chunk] = 1 << 40  # itself: last
        parts.append((apart * count + order).topk(kept, dim=1, largest=False).indices)
    return torch.cat(parts)[:, torch.arange(k, device=cells.device) % kept]


def relative_positions(cells: Tensor, search_range: int, aliasing: bool) -> Tensor:
    """Entries of the bias table for every pair of a group: (N, n, 2) -> (N, n, n), query first.

    Args:
        cells: row and column of the n regions of each group.
        search_range: s; offsets of less than s along both axes have an entry each.
        aliasing: only refuse a flat index outside of the table; otherwise each axis is tested.
    """
    side = 2 * search_range - 1
    down, across = ((cells[:, None] - cells[:, :, None]) + search_range - 1).unbind(dim=-1)
    flat = down * side + across
    if aliasing:
        inside = (flat >= 0) & (flat < side * side)
    else:
        inside = (down >= 0) & (down < side) & (across >= 0) & (across < side)
    return torch.where(inside, flat, side * side)
