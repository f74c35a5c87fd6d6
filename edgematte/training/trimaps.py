"""Trimaps made from true mattes while training, for nets that are given one."""

import torch
from torch import Generator, Tensor

from edgematte.training.data import Batch
from edgematte.training.losses.lightweight import BACKGROUND, FOREGROUND, UNKNOWN, trimap_target

WIDEST_PX = 16  # by how much a trimap's unknown band is grown at the most, at 512 pixels; *chosen*


def chance(batch: Batch) -> Generator:
    """Random numbers that follow from the samples: a run that goes on draws what it would have."""
    pixels = (batch.crop_image.double().sum() + batch.crop_alpha.double().sum()) * 255
    return Generator().manual_seed(int(pixels))


def trimaps(batch: Batch, radius_px: int, generator: Generator) -> Tensor:
    """Background, unknown, foreground (B, 3, C, C), of which one is 1 in each pixel.

    Each sample's unknown band is grown by ``radius_px`` and up to 16 pixels more, at sides of 512.
    """
    side = batch.crop_alpha.shape[-1]
    widest = max(1, WIDEST_PX * side // 512)
    grown = torch.randint(widest + 1, (len(batch.crop_alpha),), generator=generator).tolist()
    classes = torch.cat(
        [
            trimap_target(alpha[None], known[None], radius_px + more)
            for alpha, known, more in zip(batch.crop_alpha, batch.crop_known, grown, strict=True)
        ]
    )
    order = [BACKGROUND, UNKNOWN, FOREGROUND]
    return torch.stack([classes == value for value in order], dim=1).to(batch.crop_alpha)


def grey(trimap: Tensor, unknown: float = 0.5) -> Tensor:
    """Three planes as one: (B, 3, H, W) -> (B, 1, H, W) of 0, ``unknown`` and 1."""
    return unknown * trimap[:, 1:2] + trimap[:, 2:3]
