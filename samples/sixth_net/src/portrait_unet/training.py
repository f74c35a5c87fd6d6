"""How the net is trained: its losses, what a person sees of a batch, stages and rates."""

import torch
from torch import Tensor
from torch.nn import functional as F

from edgematte.training.pictures.data import Batch
from edgematte.training.recipe.parts import whole_scenes
from edgematte.training.recipe.schedule import Recipe, Stage
from portrait_unet.network import PortraitUNet

SOFT_WEIGHT = 4.0  # of pixels that are neither foreground nor background, of which there are few
SURE = 2.5 / 255
EDGE_WEIGHT, SEMANTIC_WEIGHT = 0.5, 0.5


def matting_losses(alpha: Tensor, true: Tensor, known: Tensor) -> dict[str, Tensor]:
    """Mean absolute error of alpha and of its differences between neighbours.

    All planes are (B, 1, H, W) in [0, 1]; where ``known`` is 0 the true alpha is not believed.
    """
    soft = (true > SURE) & (true < 1 - SURE)
    weights = (1 + (SOFT_WEIGHT - 1) * soft) * known
    apart = alpha - true
    share = weights.sum().clamp_min(1)
    l1 = (weights * apart.abs()).sum() / share
    across = (apart[..., 1:] - apart[..., :-1]).abs() * known[..., 1:] * known[..., :-1]
    down = (apart[..., 1:, :] - apart[..., :-1, :]).abs() * known[..., 1:, :] * known[..., :-1, :]
    return {"l1": l1, "edges": (across.sum() + down.sum()) / share}


def semantic_loss(logits: Tensor, true: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of the coarsest map with the mean of the known alpha under each of its pixels.

    logits (B, 1, h, w); planes (B, 1, H, W) of sides that are the same multiple of its.
    """
    size = logits.shape[2], logits.shape[3]
    believed = F.adaptive_avg_pool2d(known, size)
    target = F.adaptive_avg_pool2d(true * known, size) / believed.clamp_min(1e-6)
    apart = F.binary_cross_entropy_with_logits(logits, target.clamp(0, 1), reduction="none")
    return (believed * apart).sum() / believed.sum().clamp_min(1)


def losses(model: PortraitUNet, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """Losses of whole scenes by name, of which ``total`` is the one to descend."""
    alpha, logits = model.answers(batch.image)
    parts = matting_losses(alpha.float(), batch.alpha, batch.known)
    parts["semantic"] = semantic_loss(logits.float(), batch.alpha, batch.known)
    total = parts["l1"] + EDGE_WEIGHT * parts["edges"] + SEMANTIC_WEIGHT * parts["semantic"]
    return {**parts, "total": total}


@torch.no_grad()
def preview(model: PortraitUNet, batch: Batch) -> dict[str, Tensor]:
    """Planes for a person to look at."""
    return {"image": batch.image, "true": batch.alpha, "alpha": model(batch.image)}


# All figures are chosen, for one small machine.
RECIPES = {
    "": Recipe(
        model="portrait-unet",
        losses=losses,
        preview=preview,
        stages=(
            Stage(0.6, 256, 256, 16),
            Stage(0.9, 512, 512, 4),
            Stage(1.0, 512, 512, 4, keep_norms=True),
        ),
        tune_stages=(Stage(1.0, 512, 512, 4, keep_norms=True),),
        learning_rate=1e-3,
        tune_rate=2e-4,
        betas=(0.9, 0.999),
        optimizer="adamw",
        weight_decay=0.01,
        samples=whole_scenes,
    )
}
