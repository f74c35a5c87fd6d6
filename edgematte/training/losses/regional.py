"""The losses of the regional net: coarse alpha and trimap at three levels, refined regions.

"Lightweight Portrait Matting via Regional Attention and Refinement" (WACV 2024) trains both nets
together (section 3.4) and leaves its list of losses to a supplement; these terms are *chosen*.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2


def cell_classes(trimap: Tensor, cell_px: int) -> Tensor:
    """A trimap's class of every cell: int64 (B, H / cell, W / cell).

    A cell is foreground or background if all its pixels are; otherwise it is unknown, and section
    3.2 refines it. Args: trimap (B, 1, H, W) of 0 background, 0.5 unknown, 1 foreground.
    """
    some_foreground = F.max_pool2d((trimap > 0).float(), cell_px)
    some_background = F.max_pool2d((trimap < 1).float(), cell_px)
    classes = torch.where(some_foreground > 0, FOREGROUND, BACKGROUND)
    return torch.where(some_foreground * some_background > 0, UNKNOWN, classes)[:, 0]


def coarse_alpha_loss(
    levels: Sequence[Tensor], alpha: Tensor, known: Tensor | None = None
) -> Tensor:
    """sum_l mean |sigmoid(a_l) - mean of alpha over a cell of level l|, over known cells.

    Args: levels, alpha logits (B, 1, H/8, W/8), (B, 1, H/16, W/16), ...; alpha (B, 1, H, W) in
    [0, 1]; known (B, 1, H, W), 0 where alpha is not reliable, so that a cell is left out; None:
    alpha is reliable everywhere.
    """
    known = torch.ones_like(alpha) if known is None else known
    total = alpha.new_zeros(())
    for level in levels:
        cell_px = alpha.shape[-1] // level.shape[-1]
        doubtful = F.max_pool2d(1 - known, cell_px)
        apart = (level.float().sigmoid() - F.avg_pool2d(alpha, cell_px)).abs()
        total = total + _mean(apart, 1 - doubtful)
    return total


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1)


def trimap_loss(levels: Sequence[Tensor], trimap: Tensor) -> Tensor:
    """sum_l CE(T_l, class of the cell); class order background, unknown, foreground.

    Args: levels, logits (B, 3, H/8, W/8), (B, 3, H/16, W/16), ...; trimap as `cell_classes` takes.
    """
    total = trimap.new_zeros(())
    for level in levels:
        target = cell_classes(trimap, trimap.shape[-1] // level.shape[-1])
        total = total + F.cross_entropy(level.float(), target)
    return total


def refined_alpha_loss(refined: Tensor, alpha: Tensor, known: Tensor | None = None) -> Tensor:
    """mean |a - alpha| over the known pixels of the refined regions; 0 where there are none.

    Args: refined, alpha (N, 1, 8, 8) in [0, 1], N >= 0; known like them; None: all pixels are
    known.
    """
    known = torch.ones_like(alpha) if known is None else known
    return _mean((refined.float() - alpha).abs(), known)


def coarse_loss(
    alphas: Sequence[Tensor],
    trimaps: Sequence[Tensor],
    alpha: Tensor,
    trimap: Tensor,
    known: Tensor | None = None,
) -> dict[str, Tensor]:
    """The coarse net's two terms and their sum `total`; args as those functions take them."""
    parts = {
        "alpha": coarse_alpha_loss(alphas, alpha, known),
        "trimap": trimap_loss(trimaps, trimap),
    }
    return {**parts, "total": parts["alpha"] + parts["trimap"]}


def regional_loss(
    alphas: Sequence[Tensor],
    trimaps: Sequence[Tensor],
    refined: Tensor,
    alpha: Tensor,
    trimap: Tensor,
    regions: Tensor,
    known: Tensor | None = None,
    known_regions: Tensor | None = None,
) -> dict[str, Tensor]:
    """The three terms, equally weighted, and their sum `total`.

    `regions` (N, 1, 8, 8) is the true alpha of the refined cells, `known_regions` is 1 where it is
    reliable; other arguments as the functions of the terms take them.
    """
    coarse = coarse_loss(alphas, trimaps, alpha, trimap, known)
    off = refined_alpha_loss(refined, regions, known_regions)
    terms = {"alpha": coarse["alpha"], "trimap": coarse["trimap"], "refined": off}
    return {**terms, "total": coarse["total"] + off}
