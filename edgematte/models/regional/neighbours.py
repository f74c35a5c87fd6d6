"""Neighbours of regions by comparing every pair, as at training time (section 3.3)."""

import torch
from torch import Tensor

PAIRS = 1 << 24  # compared at a time


def nearest(where: Tensor, k: int) -> Tensor:
    """For each region the k nearest regions of the same frame: (N, k) indices.

    Nearer regions come first; of equally near ones that in the upper row, then in the left column.
    In a frame with at most k regions, the list is all others and then the region itself, repeated.

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
        apart[torch.arange(len(chunk), device=cells.device), chunk] = 1 << 40  # itself comes last
        parts.append((apart * count + order).topk(kept, dim=1, largest=False).indices)
    return torch.cat(parts)[:, torch.arange(k, device=cells.device) % kept]


def relative_positions(cells: Tensor, search_range: int, aliasing: bool) -> Tensor:
    """Entries of the bias table for every pair of a group: (N, n, 2) -> (N, n, n), query first.

    Args:
        cells: row and column of the n regions of each group.
        search_range: s; offsets of less than s along both axes have an entry each.
        aliasing: test only whether the flat index is in the table; False tests each axis.
    """
    side = 2 * search_range - 1
    down, across = ((cells[:, None] - cells[:, :, None]) + search_range - 1).unbind(dim=-1)
    flat = down * side + across
    if aliasing:
        inside = (flat >= 0) & (flat < side * side)
    else:
        inside = (down >= 0) & (down < side) & (across >= 0) & (across < side)
    return torch.where(inside, flat, side * side)
