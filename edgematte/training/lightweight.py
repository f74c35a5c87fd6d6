"""What the lightweight net is trained on and shown by, in both ways it is used."""

import torch
from torch import Tensor
from torch.nn import functional as F

from edgematte.models.lightweight import FOREGROUND, UNKNOWN, Lightweight
from edgematte.training.data import WHOLE, Batch
from edgematte.training.losses.lightweight import lightweight_loss, trimap_target


def crop_probabilities(probabilities: Tensor, box: Tensor, side_px: int) -> Tensor:
    """Cut boxes (B, 4: left, top, right, bottom in [0, 1]) out, bilinearly, at `side_px`."""
    left, top, right, bottom = box.to(probabilities).unbind(dim=1)
    theta = probabilities.new_zeros(len(box), 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = right - left, right + left - 1
    theta[:, 1, 1], theta[:, 1, 2] = bottom - top, bottom + top - 1
    grid = F.affine_grid(theta, [len(box), 1, side_px, side_px], align_corners=False)
    return F.grid_sample(probabilities, grid, padding_mode="border", align_corners=False)


def answers(model: Lightweight, batch: Batch) -> tuple[list[Tensor], Tensor]:
    """SN's logits of the whole scenes, finest first, and alpha (B, 1, C, C) of the crops.

    MRN sees each sample's crop with the probabilities SN gave for that part of the whole scene,
    or with the one-hot true trimap where the sample says so.
    """
    logits = model.sn(batch.image)
    raised = F.interpolate(logits[0], scale_factor=8.0, mode="bilinear", align_corners=False)
    crop_px = batch.crop_image.shape[-1]
    rows = list(raised.float().softmax(dim=1).unbind())
    for i, given_px in enumerate(batch.given_px):
        part = slice(i, i + 1)
        if given_px >= 0:
            classes = trimap_target(batch.crop_alpha[part], batch.crop_known[part], given_px)
            rows[i] = F.one_hot(classes[0], 3).permute(2, 0, 1).to(rows[i])
        elif batch.box[i].tolist() != list(WHOLE):
            rows[i] = crop_probabilities(rows[i][None], batch.box[part], crop_px)[0]
    probabilities = torch.stack(rows).contiguous(memory_format=torch.channels_last)
    refined = model.mrn(batch.crop_image, probabilities).float()
    foreground = probabilities[:, FOREGROUND : FOREGROUND + 1]
    return logits, foreground + probabilities[:, UNKNOWN : UNKNOWN + 1] * refined


def losses(model: Lightweight, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """Eq. 10 of one batch."""
    logits, alpha = answers(model, batch)
    target = trimap_target(batch.alpha, batch.known, radius_px)
    return lightweight_loss(logits, target, alpha, batch.crop_alpha, batch.crop_known)


def imitation(model: Lightweight, teacher: Lightweight, batch: Batch) -> dict[str, Tensor]:
    """How far the answers in use are from the teacher's: trimap and alpha; 0 where they are equal.

    The divergence of SN's probabilities from the teacher's, and 5 L1 of alpha, as eq. 10 weighs it.
    """
    with torch.no_grad():
        (true, *_), true_alpha = answers(teacher, batch)
    (found, *_), alpha = answers(model, batch)
    likely, wanted = (logits.float().log_softmax(dim=1) for logits in (found, true))
    apart = F.kl_div(likely, wanted, reduction="none", log_target=True).sum(dim=1).mean()
    l1 = (alpha - true_alpha).abs().mean()
    return {"sn": apart, "l1": l1, "total": apart + 5 * l1}


def preview(model: Lightweight, batch: Batch) -> dict[str, Tensor]:
    """The whole pictures with true alpha, the trimap SN finds and the alpha of the fused net."""
    alpha, probabilities = model(batch.image)
    trimap = (
        probabilities[:, FOREGROUND : FOREGROUND + 1]
        + 0.5 * probabilities[:, UNKNOWN : UNKNOWN + 1]
    )
    return {"image": batch.image, "true": batch.alpha, "trimap": trimap, "alpha": alpha}
