"""What ViTMatte is trained on and shown by: crops with trimaps made from their true mattes."""

import torch
from torch import Tensor

from edgematte.models.vit_backbone import from_plain_vit
from edgematte.models.vitmatte import ViTMatte
from edgematte.training.data import Batch
from edgematte.training.losses.vitmatte import vitmatte_loss
from edgematte.training.optimizer import layer_decay
from edgematte.training.trimaps import chance, grey, trimaps

UNKNOWN_VALUE = 128 / 255  # as the host gives it
LAYER_DECAY = 0.65  # the paper's, per block


def losses(model: ViTMatte, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """The paper's loss of one batch; where alpha is not known the net answers with the true one."""
    trimap = trimaps(batch, radius_px, chance(batch))
    found = model(batch.crop_image, grey(trimap, UNKNOWN_VALUE)).float()
    alpha = torch.lerp(batch.crop_alpha, found, batch.crop_known)
    return vitmatte_loss(alpha, batch.crop_alpha, trimap[:, 1:2])


def preview(model: ViTMatte, batch: Batch) -> dict[str, Tensor]:
    """The crops with true alpha, the trimap and the alpha found, exact where the trimap is."""
    trimap = trimaps(batch, 2, chance(batch))
    plane = grey(trimap, UNKNOWN_VALUE)
    found = model(batch.crop_image, plane).float()
    alpha = torch.where(trimap[:, 1:2] > 0, found, trimap[:, 2:3])
    return {"image": batch.crop_image, "true": batch.crop_alpha, "trimap": plane, "alpha": alpha}


def rate_scale(model: ViTMatte, name: str) -> float:
    """Layer by layer: what is nearer to the picture changes less."""
    return layer_decay(name, "backbone.", model.config["depth"], LAYER_DECAY)


def backbone(model: ViTMatte, state: dict[str, Tensor], source: str) -> None:
    """Start from a plain transformer."""
    from_plain_vit(model.backbone, state, source)
