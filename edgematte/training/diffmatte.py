"""What DiffMatte is trained on and shown by: trimaps from true mattes, noise, two passes."""

import torch
from torch import Tensor

from edgematte.models.diffmatte import DiffMatte
from edgematte.models.vit import ViT
from edgematte.models.vit_backbone import from_plain_vit
from edgematte.training.data import Batch
from edgematte.training.losses.diffmatte import Denoiser, diffmatte_loss, draw_times, sample
from edgematte.training.optimizer import layer_decay
from edgematte.training.trimaps import chance, grey, trimaps

SHOWN_STEPS = 5
LAYER_DECAY = 0.65  # of ViTMatte, whose transformer it is


def denoiser(model: DiffMatte, batch: Batch, trimap: Tensor) -> Denoiser:
    """The model with a batch's pictures; where alpha is not known it answers with the true one."""
    feature = model.encode(batch.crop_image, trimap)
    matte, known = 2 * batch.crop_alpha - 1, batch.crop_known

    def denoise(noisy: Tensor, time: Tensor) -> Tensor:
        condition = model.condition(batch.crop_image, trimap, noisy)
        return torch.lerp(matte, model.denoise(feature, condition, time).float(), known)

    return denoise


def losses(model: DiffMatte, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """The self-aligned passes of one batch: features once, the decoder at two times."""
    generator = chance(batch)
    trimap = trimaps(batch, radius_px, generator)
    later, time = (t.to(trimap) for t in draw_times(len(trimap), generator))
    noise = torch.randn(batch.crop_alpha.shape, generator=generator).to(trimap)
    denoise = denoiser(model, batch, trimap)
    return diffmatte_loss(denoise, batch.crop_alpha, trimap[:, 1:2], noise, later, time)


def preview(model: DiffMatte, batch: Batch) -> dict[str, Tensor]:
    """Pictures with true alpha, the trimap, and alpha after the first and the last of 5 steps."""
    generator = chance(batch)
    trimap = trimaps(batch, 2, generator)
    noise = torch.randn(batch.crop_alpha.shape, generator=generator).to(trimap)
    mattes = list(sample(denoiser(model, batch, trimap), noise, SHOWN_STEPS))
    plane = grey(trimap)
    first, last = (
        torch.where(plane == 0, torch.zeros_like(plane), (matte + 1) / 2)
        for matte in (mattes[0], mattes[-1])
    )
    shown = {"image": batch.crop_image, "true": batch.crop_alpha, "trimap": plane}
    return {**shown, "alpha, 1 step": first, f"alpha, {SHOWN_STEPS} steps": last}


def rate_scale(model: DiffMatte, name: str) -> float:
    """Layer by layer, as ViTMatte's; for the variants with a transformer."""
    return layer_decay(name, "encoder.", model.config["depth"], LAYER_DECAY)


def backbone(model: DiffMatte, state: dict[str, Tensor], source: str) -> None:
    """Start from a plain transformer; for the variants with one."""
    assert isinstance(model.encoder, ViT)
    from_plain_vit(model.encoder, state, source)
