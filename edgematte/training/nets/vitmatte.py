"""Training ViTMatte: on crops around unknown pixels, with random trimaps."""

from dataclasses import replace

import torch
from torch import Tensor

from edgematte.models.vit.pretrained import from_plain_vit
from edgematte.models.vitmatte.network import ViTMatte
from edgematte.training.engine.optimizer import layer_decay
from edgematte.training.losses.vitmatte import vitmatte_loss
from edgematte.training.pictures.crops import (
    CropBatch,
    collate_crops,
    crops,
    crops_and_ragged,
)
from edgematte.training.pictures.trimaps import grey
from edgematte.training.recipe.crop_stages import CROP_STAGES, TUNE_CROP_STAGES
from edgematte.training.recipe.schedule import Recipe, Stage

UNKNOWN_VALUE = 128 / 255  # as the host gives it
LAYER_DECAY = 0.65  # the paper's, per block


def losses(model: ViTMatte, batch: CropBatch, radius_px: int = 0) -> dict[str, Tensor]:
    """The paper's loss of one batch.

    ``radius_px`` is not used: samples have trimaps of many widths.
    """
    alpha = model(batch.image, grey(batch.trimap, UNKNOWN_VALUE)).float()
    return vitmatte_loss(alpha, batch.alpha, batch.trimap[:, 1:2])


def preview(model: ViTMatte, batch: CropBatch) -> dict[str, Tensor]:
    """The crops, true alpha, the trimap, and the net's alpha with known pixels from the trimap."""
    plane = grey(batch.trimap, UNKNOWN_VALUE)
    predicted = model(batch.image, plane).float()
    alpha = torch.where(batch.trimap[:, 1:2] > 0, predicted, batch.trimap[:, 2:3])
    return {"image": batch.image, "true": batch.alpha, "trimap": plane, "alpha": alpha}


def rate_scale(model: ViTMatte, name: str) -> float:
    """The factor of a parameter's rate: layers nearer to the picture learn more slowly."""
    return layer_decay(name, "backbone.", model.config["depth"], LAYER_DECAY)


def backbone(model: ViTMatte, state: dict[str, Tensor], source: str) -> None:
    """Start from a plain transformer."""
    from_plain_vit(model.backbone, state, source)


VITMATTE = Recipe(
    model="vitmatte-s",
    losses=losses,
    preview=preview,
    # The authors': batches of 32 at 512 for 100 epochs, 250 steps of warm-up.
    stages=CROP_STAGES,
    tune_stages=TUNE_CROP_STAGES,
    # The paper's, as are AdamW, weight decay, layer decay and the drops of the rate.
    learning_rate=5e-4,
    drops=((0.3, 0.1), (0.9, 0.05)),
    tune_rate=1e-4,  # *chosen*
    betas=(0.9, 0.999),
    optimizer="adamw",
    weight_decay=0.1,
    rate_scale=rate_scale,
    backbone=backbone,
    samples=crops,
    collate=collate_crops,
)


def _growing(small: float) -> tuple[Stage, ...]:
    """Pictures of 256 pixels for this share of a run, then of 512."""
    return (
        Stage(small, 256, 256, 8),
        Stage(0.92, 512, 512, 3),
        Stage(1.00, 512, 512, 3, keep_norms=True),
    )


# The narrow variant mostly starts from nothing; all of this is *chosen*. Pictures have 256 pixels
# most of the time, because steps are what it lacks. After 600 steps Muon at this rate had an error
# of 0.14 on held-out crops, at half of it 0.18, at twice 0.19, AdamW (1.5e-3) 0.20. Its weights
# were never a plain transformer's, so that no layer has to learn more slowly.
TINY = replace(
    VITMATTE,
    model="vitmatte-tiny",
    stages=_growing(0.75),
    tune_stages=_growing(0.6),
    learning_rate=4e-3,
    tune_rate=1e-3,
    drops=(),
    optimizer="muon",
    rate_scale=None,
    samples=crops_and_ragged,
)

RECIPES = {"": VITMATTE}
TINY_RECIPES = {"": TINY}
