"""Training the lightweight net, for both ways it is used: fused and split."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from edgematte.models.lightweight.network import FOREGROUND, UNKNOWN, Lightweight
from edgematte.training.losses.lightweight import (
    lightweight_loss,
    matting_losses,
    segmentation_loss,
    trimap_target,
)
from edgematte.training.pictures.data import WHOLE, Batch
from edgematte.training.recipe import parts
from edgematte.training.recipe.schedule import Recipe, Stage


def crop_probabilities(probabilities: Tensor, box: Tensor, side_px: int) -> Tensor:
    """Cut out boxes (B, 4: left, top, right, bottom in [0, 1]), resized bilinearly to `side_px`."""
    left, top, right, bottom = box.to(probabilities).unbind(dim=1)
    theta = probabilities.new_zeros(len(box), 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = right - left, right + left - 1
    theta[:, 1, 1], theta[:, 1, 2] = bottom - top, bottom + top - 1
    grid = F.affine_grid(theta, [len(box), 1, side_px, side_px], align_corners=False)
    return F.grid_sample(probabilities, grid, padding_mode="border", align_corners=False)


def crop_classes(batch: Batch, logits: Tensor, rows: list[int]) -> Tensor:
    """MRN's input of classes for each crop, (B, 3, C, C).

    It is the given trimap or, without one, SN's probabilities for that part of the whole scene.
    `logits` are SN's finest, of the scenes `rows` only, which include all scenes without a trimap.
    """
    raised = F.interpolate(logits, scale_factor=8.0, mode="bilinear", align_corners=False)
    classes = dict(zip(rows, raised.float().softmax(dim=1).unbind(), strict=True))
    crop_px, told = batch.crop_image.shape[-1], []
    for i, trimap in enumerate(batch.trimap):
        if trimap is not None:
            told.append(trimap)
        elif batch.box[i].tolist() == list(WHOLE):
            told.append(classes[i])
        else:
            told.append(crop_probabilities(classes[i][None], batch.box[i : i + 1], crop_px)[0])
    return torch.stack(told).contiguous(memory_format=torch.channels_last)


def refine(model: Lightweight, image: Tensor, probabilities: Tensor) -> Tensor:
    """Eq. 5 in float32: alpha (B, 1, C, C)."""
    refined = model.mrn(image, probabilities).float()
    foreground = probabilities[:, FOREGROUND : FOREGROUND + 1]
    alpha: Tensor = foreground + probabilities[:, UNKNOWN : UNKNOWN + 1] * refined
    return alpha


def answers(model: Lightweight, batch: Batch) -> tuple[list[Tensor], Tensor]:
    """SN's logits for the whole scenes, finest first, and alpha (B, 1, C, C) of the crops."""
    logits = model.sn(batch.image)
    probabilities = crop_classes(batch, logits[0], list(range(len(batch.image))))
    return logits, refine(model, batch.crop_image, probabilities)


def losses(model: Lightweight, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """Eq. 10 of one batch."""
    logits, alpha = answers(model, batch)
    target = trimap_target(batch.alpha, batch.known, radius_px)
    return lightweight_loss(logits, target, alpha, batch.crop_alpha, batch.crop_known)


def sn_losses(model: Lightweight, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """Eq. 7 of the whole scenes alone."""
    target = trimap_target(batch.alpha, batch.known, radius_px)
    loss = segmentation_loss(model.sn(batch.image), target)
    return {"sn": loss, "total": loss}


def mrn_losses(model: Lightweight, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """The matting terms of eq. 10, for crops with a trimap or with the probabilities of a fixed SN.

    In the unknown region, where MRN's alpha is used, each pixel weighs as much as a fractional one
    (*chosen*), because most unknown pixels of a drawn trimap are not fractional.
    """
    free = [i for i, trimap in enumerate(batch.trimap) if trimap is None] or [0]  # at least one row
    with torch.no_grad():
        probabilities = crop_classes(batch, model.sn(batch.image[free])[0], free)
    alpha = refine(model, batch.crop_image, probabilities)
    unknown = probabilities[:, UNKNOWN : UNKNOWN + 1]
    return matting_losses(alpha, batch.crop_alpha, batch.crop_known, unknown)


def imitation(model: Lightweight, teacher: Lightweight, batch: Batch) -> dict[str, Tensor]:
    """How far trimap and alpha are from the teacher's; 0 if they are equal.

    It is the divergence of SN's probabilities from the teacher's, plus 5 L1 of alpha, as in eq. 10.
    """
    with torch.no_grad():
        (true, *_), true_alpha = answers(teacher, batch)
    (answered, *_), alpha = answers(model, batch)
    likely, wanted = (logits.float().log_softmax(dim=1) for logits in (answered, true))
    apart = F.kl_div(likely, wanted, reduction="none", log_target=True).sum(dim=1).mean()
    l1 = (alpha - true_alpha).abs().mean()
    return {"sn": apart, "l1": l1, "total": apart + 5 * l1}


def preview(model: Lightweight, batch: Batch) -> dict[str, Tensor]:
    """The whole pictures, their true alpha, SN's trimap and the alpha of the fused net."""
    alpha, probabilities = model(batch.image)
    trimap = (
        probabilities[:, FOREGROUND : FOREGROUND + 1]
        + 0.5 * probabilities[:, UNKNOWN : UNKNOWN + 1]
    )
    return {"image": batch.image, "true": batch.alpha, "trimap": trimap, "alpha": alpha}


LIGHTWEIGHT = Recipe(
    model="lightweight",
    losses=losses,
    preview=preview,
    imitation=imitation,
    # *Chosen*: growing pictures. For the same pixels MRN costs three times what SN does, so its
    # crops are smaller; the last stage has the sizes of use. The paper has batches of 12 at 512.
    stages=(
        Stage(0.45, 256, 128, 8),
        Stage(0.65, 384, 192, 6),
        Stage(0.80, 512, 256, 4),
        Stage(0.94, 512, 256, 4, keep_norms=True),
        Stage(1.00, 512, 512, 4, keep_norms=True),
    ),
    tune_stages=(Stage(1.0, 512, 256, 4, keep_norms=True),),  # *chosen*
    learning_rate=4e-4,  # section 3.1, as are betas, warm-up and cosine
    tune_rate=1e-4,  # *chosen*
    betas=(0.5, 0.999),
)

# Networks trained separately, from weights; all of this is *chosen*. A step costs a third or less,
# and each network gets the pictures that it learns most from. Over 250 steps of 16 scenes at 256
# pixels Muon took SN's loss to 1.28, Adam to 1.34 and, at the rate above, to 1.40; for MRN they
# were alike.
SN = replace(
    LIGHTWEIGHT,
    part="sn",
    losses=sn_losses,
    imitation=None,
    samples=parts.whole_scenes,
    batched=parts.whole_scenes_batched,
    tune_stages=(
        Stage(0.35, 256, 256, 32),
        Stage(0.70, 384, 384, 16),
        Stage(1.00, 512, 512, 8, keep_norms=True),
    ),
    tune_rate=2e-3,
    betas=(0.9, 0.99),
    optimizer="muon",
)
MRN = replace(
    LIGHTWEIGHT,
    part="mrn",
    losses=mrn_losses,
    imitation=None,
    samples=parts.refining_crops,
    batched=parts.refining_crops_batched,
    tune_rate=1.5e-3,  # 5 % better after 300 steps than the rate of the whole
    tune_stages=(Stage(0.7, 512, 256, 8), Stage(1.0, 512, 512, 4, keep_norms=True)),
)

RECIPES = {"": LIGHTWEIGHT, SN.part: SN, MRN.part: MRN}
"""Part of the network that learns -> its recipe; "" is the whole network."""
