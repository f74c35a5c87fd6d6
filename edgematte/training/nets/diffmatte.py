"""What DiffMatte is trained on and shown by: crops with random trimaps, noise, two passes."""

from dataclasses import replace

import torch
from torch import Tensor

from edgematte.models.diffmatte.diffusion import Denoiser, sample
from edgematte.models.diffmatte.network import DiffMatte
from edgematte.models.vit.network import ViT
from edgematte.models.vit.pretrained import from_plain_vit
from edgematte.training.engine.optimizer import layer_decay
from edgematte.training.losses.diffmatte import diffmatte_loss, draw_times
from edgematte.training.pictures.crops import CropBatch, collate_crops, crops
from edgematte.training.pictures.trimaps import chance, grey
from edgematte.training.recipe.crop_stages import CROP_STAGES, TUNE_CROP_STAGES
from edgematte.training.recipe.schedule import Recipe

SHOWN_STEPS = 5
LAYER_DECAY = 0.65  # of ViTMatte, whose transformer it is


def denoiser(model: DiffMatte, batch: CropBatch) -> Denoiser:
    """The model with a batch's pictures and trimaps, whose features are made once."""
    feature = model.encode(batch.image, batch.trimap)

    def denoise(noisy: Tensor, time: Tensor) -> Tensor:
        condition = model.condition(batch.image, batch.trimap, noisy)
        return model.denoise(feature, condition, time).float()

    return denoise


def losses(model: DiffMatte, batch: CropBatch, radius_px: int = 0) -> dict[str, Tensor]:
    """The self-aligned passes of one batch: features once, the decoder at two times.

    ``radius_px`` has no say: samples come with trimaps of many widths.
    """
    generator = chance(batch.image, batch.alpha)
    later, time = (t.to(batch.alpha) for t in draw_times(len(batch.alpha), generator))
    noise = torch.randn(batch.alpha.shape, generator=generator).to(batch.alpha)
    denoise = denoiser(model, batch)
    return diffmatte_loss(denoise, batch.alpha, batch.trimap[:, 1:2], noise, later, time)


def preview(model: DiffMatte, batch: CropBatch) -> dict[str, Tensor]:
    """Pictures with true alpha, the trimap, and alpha after the first and the last of 5 steps."""
    generator = chance(batch.image, batch.alpha)
    noise = torch.randn(batch.alpha.shape, generator=generator).to(batch.alpha)
    mattes = list(sample(denoiser(model, batch), noise, SHOWN_STEPS))
    plane = grey(batch.trimap)
    first, last = (
        torch.where(plane == 0, torch.zeros_like(plane), (matte + 1) / 2)
        for matte in (mattes[0], mattes[-1])
    )
    shown = {"image": batch.image, "true": batch.alpha, "trimap": plane}
    return {**shown, "alpha, 1 step": first, f"alpha, {SHOWN_STEPS} steps": last}


def rate_scale(model: DiffMatte, name: str) -> float:
    """Layer by layer, as ViTMatte's; for the variants with a transformer."""
    return layer_decay(name, "encoder.", model.config["depth"], LAYER_DECAY)


def backbone(model: DiffMatte, state: dict[str, Tensor], source: str) -> None:
    """Start from a plain transformer; for the variants with one."""
    assert isinstance(model.encoder, ViT)
    from_plain_vit(model.encoder, state, source)


DIFFMATTE = Recipe(
    model="diffmatte-vits",
    losses=losses,
    preview=preview,
    # The authors': batches of 16 to 20 at 512 for 150 epochs.
    stages=CROP_STAGES,
    tune_stages=TUNE_CROP_STAGES,
    # The authors' code, for ResNet-34 and Swin-T, as are the drops of the rate.
    learning_rate=4e-4,
    drops=((0.2, 0.1), (0.6, 0.05), (14 / 15, 0.01)),
    tune_rate=1e-4,  # *chosen*
    betas=(0.9, 0.999),
    samples=crops,
    collate=collate_crops,
)
DIFFMATTE_VIT = replace(DIFFMATTE, rate_scale=rate_scale, backbone=backbone)

RECIPES = {"": DIFFMATTE}
VIT_RECIPES = {"": DIFFMATTE_VIT}
"""With a ViT, whose layers have rates of their own and whose backbone may be a plain one."""
