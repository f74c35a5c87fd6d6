"""Training the regional net: on whole frames and their unknown cells."""

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

MOST_CELLS = 1024  # refined in one batch at most; *chosen*


def chosen_cells(classes: Tensor, most: int, generator: Generator) -> Tensor:
    """Unknown cells to refine: int64 (N, 3), 1 <= N <= most: frame, row, column, ascending.

    If there are at most ``most``, all of them. Otherwise each frame gets an equal share: the cells
    nearest to a random one, so that regions keep their neighbours. If no cell is unknown, the first
    cell, so that the refining net has gradients in every process of a run.

    Args:
        classes: classes of the cells, (B, h, w).
        most: at least B.
        generator: draws the random cells.
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
    """The losses of the coarse net alone."""
    levels = model.coarse_net(batch.image)
    trimap = true_trimap(batch, radius_px)
    alphas, trimaps = [level.alpha for level in levels], [level.trimap for level in levels]
    return coarse_loss(alphas, trimaps, batch.alpha, trimap, batch.known)


def losses(model: Regional, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """The losses of the coarse net and of the refined cells of one batch (section 3.4).

    The true trimap says which cells are refined, because the coarse net's unknown cells change as
    it learns.
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
    """The frames, true alpha, the trimap of the cells, coarse alpha and refined alpha."""
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
    # All *chosen*, for the paper gives no figures of its training. Frames are whole, as large as a
    # small machine allows; only the refining net has BatchNorm, over hundreds of cells.
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
"""Part of the network that learns -> its recipe; "" is the whole network."""
