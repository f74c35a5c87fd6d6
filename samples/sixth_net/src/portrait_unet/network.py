"""The network: a MobileNetV2-like encoder, a U-shaped decoder, alpha of the whole picture.

Its encoder is the inverted residual of MobileNetV2 (Sandler et al., CVPR 2018): a 1x1 convolution
that widens, a 3x3 depthwise one, a 1x1 one that narrows, without an activation. Its decoder goes
from 1/32 of the picture back to all of it, and joins the encoder's map at every size. All shapes
follow from the picture's, so that it is exported as it is.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GROWTH = (1.0, 1.5, 2.5, 5.0, 8.0)  # channels at 1/2 to 1/32 of the picture, in widths


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; added to what came in where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, *, expand: int, stride: int) -> None:
        """``expand`` is the factor of the channels inside, ``stride`` that of the reduction."""
        super().__init__()
        inside = inputs * expand
        self.widen = _convolution(inputs, inside, 1)
        self.filter = _convolution(inside, inside, 3, stride=stride, groups=inside)
        self.narrow = _convolution(inside, outputs, 1, active=False)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, planes: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride)."""
        narrow: Tensor = self.narrow(self.filter(self.widen(planes)))
        return planes + narrow if self.adds else narrow


class Join(nn.Module):
    """One step up: the coarser map at twice its size beside the encoder's, mixed cheaply."""

    def __init__(self, coarse: int, fine: int) -> None:
        """Channels of the coarser map and of the encoder's, which is also what comes out."""
        super().__init__()
        self.mix = _convolution(coarse + fine, fine, 1)
        self.filter = _convolution(fine, fine, 3, groups=fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """(B, coarse, h, w), (B, fine, 2h, 2w) -> (B, fine, 2h, 2w)."""
        joined: Tensor = self.filter(self.mix(torch.cat([_twice(coarse), fine], dim=1)))
        return joined


class PortraitUNet(nn.Module):
    """Picture -> alpha, without a trimap.

    Args:
        width: channels at half the picture's size; those of the other sizes follow, see ``GROWTH``.
        expand: factor of the channels inside an inverted residual.
        depth: inverted residuals at each size.
    """

    def __init__(self, *, width: int = 16, expand: int = 4, depth: int = 2) -> None:
        super().__init__()
        self.config = {"width": width, "expand": expand, "depth": depth}
        channels = [round(width * growth) for growth in GROWTH]
        self.stem = _convolution(3, channels[0], 3, stride=2)
        self.stages = nn.ModuleList(
            _stage(inputs, outputs, expand, depth)
            for inputs, outputs in zip(channels[:-1], channels[1:], strict=True)
        )
        self.joins = nn.ModuleList(
            Join(coarse, fine)
            for fine, coarse in reversed(list(zip(channels[:-1], channels[1:], strict=True)))
        )
        self.head = nn.Conv2d(channels[0], 1, 3, padding=1)
        self.semantic = nn.Conv2d(channels[-1], 1, 1)  # guides training; not exported
        self.apply(_initialise)

    def answers(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """RGB (B, 3, H, W) in [0, 1], sides multiples of 32 -> alpha, logits of the coarsest map.

        Alpha is (B, 1, H, W) in [0, 1], the logits, of where the subject is, (B, 1, H/32, W/32).
        """
        maps = [self.stem(image * 2 - 1)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        planes = maps[-1]
        for join, fine in zip(self.joins, reversed(maps[:-1]), strict=True):
            planes = join(planes, fine)
        alpha = _twice(self.head(planes)).sigmoid()
        return alpha, self.semantic(maps[-1])

    def forward(self, image: Tensor) -> Tensor:
        """RGB (B, 3, H, W) in [0, 1], sides multiples of 32 -> alpha (B, 1, H, W) in [0, 1]."""
        return self.answers(image)[0]


def _convolution(
    inputs: int, outputs: int, side: int, *, stride: int = 1, groups: int = 1, active: bool = True
) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False)
    layers = [convolution, nn.BatchNorm2d(outputs), *([nn.ReLU()] if active else [])]
    return nn.Sequential(*layers)


def _stage(inputs: int, outputs: int, expand: int, depth: int) -> nn.Sequential:
    first = InvertedResidual(inputs, outputs, expand=expand, stride=2)
    rest = (InvertedResidual(outputs, outputs, expand=expand, stride=1) for _ in range(depth - 1))
    return nn.Sequential(first, *rest)


def _twice(planes: Tensor) -> Tensor:
    return F.interpolate(planes, scale_factor=2.0, mode="bilinear", align_corners=False)


def _initialise(module: nn.Module) -> None:
    """He et al. by what a convolution gives, so that activations keep their size at first."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
