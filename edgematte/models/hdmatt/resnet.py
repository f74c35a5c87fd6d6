"""ResNet-34 for HDMatt: 2x2 max pools that remember their maxima, dilated layers, stride 8, ASPP.

Strides of the usual net become pools (*chosen*: the paper says only that pooled maps are skipped to
the decoder and that the last two layers are dilated): one after the first convolution, one in
place of the 3x3 pool, one before the second layer, so that every pooled map has the same width.
Names of parameters are torchvision's.
"""

from typing import NamedTuple

import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F

from edgematte.imagenet import IMAGENET_MEAN, IMAGENET_STD

BLOCKS = (3, 4, 6, 3)
DILATIONS = (1, 1, 2, 4)
RATES = (12, 24, 36)  # of ASPP, at stride 8
STRIDE = 8


class Skips(NamedTuple):
    """What the shallow layers leave for the decoder; C is the net's width."""

    half: Tensor  # (B, C, H/2, W/2), pooled
    quarter: Tensor  # (B, C, H/4, W/4), pooled
    full_mask: Tensor  # (B, C, H, W): 1 at the maximum of each 2x2 window
    half_mask: Tensor  # (B, C, H/2, W/2)
    quarter_mask: Tensor  # (B, C, H/4, W/4)


def pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """Largest of each 2x2 window (B, C, H/2, W/2), and a mask (B, C, H, W) of where it stood.

    The mask is 1 at one pixel a window: the first of equal ones, row by row, as max_pool2d's index.
    """
    corners = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    largest = torch.maximum(
        torch.maximum(corners[0], corners[1]), torch.maximum(corners[2], corners[3])
    )
    masks = []
    free = torch.ones_like(largest)
    for corner in corners[:-1]:
        masks.append(free * (corner >= largest).to(x.dtype))
        free = free - masks[-1]
    masks.append(free)
    return largest, interleave(masks)


def unpool(x: Tensor, mask: Tensor) -> Tensor:
    """The inverse: values (B, C, h, w) where the mask (B, C, 2h, 2w) is 1, else 0."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest") * mask


def interleave(corners: list[Tensor]) -> Tensor:
    """Upper left, upper right, lower left, lower right (B, C, h, w) -> (B, C, 2h, 2w)."""
    batch, channels, height, width = (int(n) for n in corners[0].shape)
    stacked = torch.stack(corners, dim=2).reshape(batch, 4 * channels, height, width)
    return F.pixel_shuffle(stacked, 2)


def conv_norm(
    channels: int, out: int, kernel: int = 3, dilation: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution that keeps the size, without bias, and its BatchNorm."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(channels, out, kernel, padding=padding, dilation=dilation, bias=False)
    return conv, nn.BatchNorm2d(out)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the identity, or its projection where the width changes."""

    def __init__(self, channels: int, out: int, dilation: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_norm(channels, out, dilation=dilation)
        self.conv2, self.bn2 = conv_norm(out, out, dilation=dilation)
        widens = channels != out
        self.downsample = nn.Sequential(*conv_norm(channels, out, 1)) if widens else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, out, h, w)."""
        identity = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + identity)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: 1x1, three dilated 3x3 and the mean, concatenated, 1x1."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([nn.Sequential(*conv_norm(channels, out, 1), nn.ReLU())])
        for rate in RATES:
            branch = nn.Sequential(*conv_norm(channels, out, dilation=rate), nn.ReLU())
            self.branches.append(branch)
        self.mean = nn.Sequential(*conv_norm(channels, out, 1), nn.ReLU())
        self.project = nn.Sequential(*conv_norm((len(RATES) + 2) * out, out, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, out, h, w)."""
        maps = [branch(x) for branch in self.branches]
        mean = self.mean(x.mean(dim=(2, 3), keepdim=True))
        projected: Tensor = self.project(cat([*maps, mean.expand_as(maps[0])], dim=1))
        return projected


class Encoder(nn.Module):
    """RGB and one-hot trimap -> features at 1/8, in two halves: see :meth:`shallow`."""

    mean: Tensor
    std: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.register_buffer(
            "mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False
        )
        self.conv1, self.bn1 = conv_norm(6, width, 7)
        widths = [width * n for n in (1, 2, 4, 8)]
        before = [width, *widths[:-1]]
        layers = []
        for channels, out, blocks, dilation in zip(before, widths, BLOCKS, DILATIONS, strict=True):
            rest = [BasicBlock(out, out, dilation) for _ in range(blocks - 1)]
            layers.append(nn.Sequential(BasicBlock(channels, out, dilation), *rest))
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.aspp = ASPP(8 * width, 4 * width)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def shallow(self, image: Tensor, trimap: Tensor) -> tuple[Tensor, Skips]:
        """RGB in [0, 1] and trimap (B, 3, H, W) -> (B, C, H/8, W/8) and skips; 8 % of the work."""
        x = cat([(image - self.mean) / self.std, trimap], dim=1)
        half, full_mask = pool(F.relu(self.bn1(self.conv1(x))))
        quarter, half_mask = pool(half)
        eighth, quarter_mask = pool(self.layer1(quarter))
        return eighth, Skips(half, quarter, full_mask, half_mask, quarter_mask)

    def deep(self, eighth: Tensor) -> Tensor:
        """(B, C, H/8, W/8) -> (B, 4C, H/8, W/8)."""
        features: Tensor = self.aspp(self.layer4(self.layer3(self.layer2(eighth))))
        return features

    def forward(self, image: Tensor, trimap: Tensor) -> tuple[Tensor, Skips]:
        """RGB in [0, 1] and one-hot trimap (B, 3, H, W) -> (B, 4C, H/8, W/8) and skips."""
        eighth, skips = self.shallow(image, trimap)
        return self.deep(eighth), skips
