"""The coarse net: a frame at full resolution -> trimap and alpha of its 8x8 cells (section 3.1)."""

from typing import NamedTuple

import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F

from edgematte.imagenet import IMAGENET_MEAN, IMAGENET_STD
from edgematte.models.swin.network import Swin

PATCH_PX = 16


class Level(NamedTuple):
    """What one decoder level says, at twice its resolution."""

    trimap: Tensor  # (B, 3, h, w) logits: background, unknown, foreground
    alpha: Tensor  # (B, 1, h, w) logit


class CoarseNet(nn.Module):
    """Swin on 16x16 patches and a decoder with skips; each level has a trimap and an alpha head.

    Args:
        width: channels of Swin's first stage.
        depths: blocks of its four stages.
        head_width: channels of an attention head.
        decoder: channels of the last decoder level; those before have two and four times as many.
        last_shift: see :class:`Swin`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        width: int,
        depths: tuple[int, int, int, int],
        head_width: int,
        decoder: int,
        *,
        last_shift: bool = False,
    ) -> None:
        super().__init__()
        self.register_buffer(
            "mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False
        )
        self.encoder = Swin(width, depths, head_width, PATCH_PX, last_shift=last_shift)
        widths = (4 * decoder, 2 * decoder, decoder)
        below = (8 * width, *widths)
        skips = (4 * width, 2 * width, width)
        self.ups = nn.ModuleList(
            nn.Conv2d(b + s, w, 3, padding=1) for b, s, w in zip(below, skips, widths, strict=False)
        )
        self.trimap_heads = nn.ModuleList(nn.Conv2d(w, 3 * 4, 1) for w in widths)
        self.alpha_heads = nn.ModuleList(nn.Conv2d(w, 4, 1) for w in widths)

    def forward(self, image: Tensor) -> list[Level]:
        """RGB (B, 3, H, W) in [0, 1], sides multiples of 128 -> levels, the finest first.

        The finest is at 1/8, one pixel a cell. Those at 1/16 and 1/32 are given in training only.
        """
        *skips, x = self.encoder((image - self.mean) / self.std)
        levels = []
        for i, up in enumerate(self.ups):
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = F.leaky_relu(up(cat([x, skips[-1 - i]], dim=1)), 0.1)
            if self.training or i == len(self.ups) - 1:
                trimap = F.pixel_shuffle(self.trimap_heads[i](x), 2)
                levels.append(Level(trimap, F.pixel_shuffle(self.alpha_heads[i](x), 2)))
        return levels[::-1]
