"""What the regional net is trained on and shown by: whole frames, and their unknown cells."""

from dataclasses import replace

import torch
from torch import Generator, Tensor, cat
from torch.nn import functional as F

from edgematte.models.regional.network import CELL_PX, UNKNOWN, Regional, crop_cells
from edgematte.models.swin.pretrained import from_swin
from edgematte.training.losses.lightweight import FOREGROUND as TARGET_FOREGROUND
from edgematte.training.losses.lightweight import UNKNOWN as TARGET_UNKNOWN
from edgematte.training.losses.lightweight import trimap_target
from edgematte.training.losses.regional import cell_classes, coarse_loss, regional_loss
from edgematte.training.pictures.data import Batch
from edgematte.training.pictures.trimaps import chance
from edgematte.training.recipe import parts
from edgematte.training.recipe.schedule import Recipe, Stage

MOST_CELLS = 1024  # refined in one batch; *chosen*


def chosen_cells(classes: Tensor, most: int, generator: Generator) -> Tensor:
    """Unknown cells to refine: int64 (N, 3), 1 <= N <= most: frame, row, column, ascending.

    All of them, where there are no more than ``most``; else each frame has an equal share, those
    nearest to a random one, so that regions keep their neighbours. Where no cell is unknown it is
    the first, so that the refining net has gradients in every process of a run.

    Args:
        classes: of the cells, (B, h, w).
        most: at least B.
        generator: what the random cells are drawn with.
    """
    where = (classes == UNKNOWN).nonzero()
    if not len(where):
        return where.new_zeros(1, 3)
    if len(where) <= most:
        return where
    share, kept = most // len(classes), []
    for frame in range(len(classes)):
        cells = where[where[:, 0] == frame]
        if len(cells) > share:
            centre = cells[int(torch.randint(len(cells), (), generator=generator))]
            apart = (cells - centre).square().sum(dim=1)
            cells = cells[apart.argsort(stable=True)[:share].sort().values]
        kept.append(cells)
    return cat(kept)


def true_trimap(batch: Batch, radius_px: int) -> Tensor:
    """0 background, 0.5 unknown, 1 foreground, (B, 1, H, W)."""
    target = trimap_target(batch.alpha, batch.known, radius_px)[:, None]
    trimap: Tensor = (target == TARGET_FOREGROUND) + 0.5 * (target == TARGET_UNKNOWN)
    return trimap


def coarse_losses(model: Regional, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """The coarse net's levels alone."""
    levels = model.coarse_net(batch.image)
    trimap = true_trimap(batch, radius_px)
    alphas, trimaps = [level.alpha for level in levels], [level.trimap for level in levels]
    return coarse_loss(alphas, trimaps, batch.alpha, trimap, batch.known)


def losses(model: Regional, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """The coarse net's levels and the refined cells of one batch, end to end (section 3.4).

    Cells to refine are the true trimap's: what the coarse net calls unknown changes as it learns.
    """
    levels = model.coarse_net(batch.image)
    trimap = true_trimap(batch, radius_px)
    where = chosen_cells(
        cell_classes(trimap, CELL_PX), MOST_CELLS, chance(batch.crop_image, batch.crop_alpha)
    )
    cell_alpha = levels[0].alpha.sigmoid()
    coarse = F.interpolate(cell_alpha, scale_factor=float(CELL_PX), mode="bilinear")
    refined = model.refined(crop_cells(cat([batch.image, coarse], dim=1), where), where)
    return regional_loss(
        [level.alpha for level in levels],
        [level.trimap for level in levels],
        refined,
        batch.alpha,
        trimap,
        crop_cells(batch.alpha, where),
        batch.known,
        crop_cells(batch.known, where),
    )


def preview(model: Regional, batch: Batch) -> dict[str, Tensor]:
    """The frames with true alpha, the trimap of cells, the coarse alpha and the refined one."""
    mattes = model(batch.image)
    _, unknown, foreground = mattes.cell_trimap.float().split(1, dim=1)
    trimap = F.interpolate(foreground + 0.5 * unknown, scale_factor=float(CELL_PX))
    coarse = F.interpolate(mattes.cell_alpha.float(), scale_factor=float(CELL_PX), mode="bilinear")
    shown = {"image": batch.image, "true": batch.alpha, "trimap": trimap}
    return {**shown, "coarse": coarse, "alpha": mattes.alpha}


def backbone(model: Regional, state: dict[str, Tensor], source: str) -> None:
    """Start the coarse net's encoder from a Swin."""
    from_swin(model.coarse_net.encoder, state, source)


REGIONAL = Recipe(
    model="regional",
    losses=losses,
    preview=preview,
    # The paper gives no figures of its training: all of these are *chosen*. Whole frames, as large
    # as a small machine allows; BatchNorm is in the refining net alone, over hundreds of cells.
    stages=(
        Stage(0.60, 512, 512, 4),
        Stage(0.90, 896, 896, 2),
        Stage(1.00, 896, 896, 2, keep_norms=True),
    ),
    tune_stages=(Stage(1.0, 896, 896, 2, keep_norms=True),),
    learning_rate=2e-4,
    tune_rate=5e-5,
    betas=(0.9, 0.999),
    optimizer="adamw",
    weight_decay=0.05,  # as Swin's authors train it
    backbone=backbone,
)

COARSE_NET = replace(
    REGIONAL,
    part="coarse_net",
    losses=coarse_losses,
    samples=parts.whole_scenes,
    tune_stages=(Stage(0.7, 384, 384, 8), Stage(1.0, 512, 512, 4)),
    tune_rate=REGIONAL.learning_rate,
)

RECIPES = {"": REGIONAL, COARSE_NET.part: COARSE_NET}
"""By the part of the network that learns; "" is all of it."""
