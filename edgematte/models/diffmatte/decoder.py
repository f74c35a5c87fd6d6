"""The texture decoder of DiffMatte: features, a noisy matte and its time -> the matte.

"Diffusion for Natural Image Matting" (ECCV 2024). Three or four blocks go down from the picture to
1/8 or 1/16; one more than that come up from the encoder's map, and each also takes the map of its
size from the way down. Every block adds a projection of the time embedding between its
convolutions.
"""

import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F

TIME_WIDTH = 32
LONGEST_PERIOD = 10_000.0


class TimeEmbedding(nn.Module):
    """A time in [0, 1] -> 32 numbers: cosines and sines of 16 frequencies, then two linear layers.

    Frequencies are 10000^(-i / 16), i = 0..15; the time is not scaled.
    """

    frequencies: Tensor

    def __init__(self, width: int = TIME_WIDTH) -> None:
        super().__init__()
        powers = torch.arange(width // 2, dtype=torch.float64) / (width // 2)
        self.register_buffer("frequencies", (LONGEST_PERIOD**-powers).float(), persistent=False)
        self.enter = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)

    def forward(self, time: Tensor) -> Tensor:
        """(B,) -> (B, 32)."""
        angles = time[:, None] * self.frequencies
        waves = cat([angles.cos(), angles.sin()], dim=1)
        out: Tensor = self.leave(F.relu(self.enter(waves)))
        return out


class TimedBlock(nn.Module):
    """Resize and normalise, add a projection of the time, convolve; then add a shortcut.

    Subclasses define the parts that resize: ``enter``, and ``around`` for the shortcut.
    """

    enter: nn.Module
    around: nn.Module

    def __init__(self, out: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(out)
        self.time = nn.Linear(TIME_WIDTH, out)
        self.conv = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, C, H, W) and a time embedding (B, 32) -> (B, out, ...) at half or twice the size."""
        said = F.relu(self.time(time))[:, :, None, None]
        y = F.relu(self.norm1(self.enter(x))) + said
        return F.relu(self.norm2(self.conv(y)) + self.skip(x))

    def skip(self, x: Tensor) -> Tensor:
        """The shortcut."""
        out: Tensor = self.around(x)
        return out


class Down(TimedBlock):
    """To half the size, by convolutions of stride 2 in the block and in its shortcut."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(out)
        self.enter = nn.Conv2d(channels, out, 3, 2, 1, bias=False)
        self.around = nn.Conv2d(channels, out, 3, 2, 1, bias=False)


class Up(TimedBlock):
    """To twice the size: a transposed convolution, and bilinear enlarging in the shortcut."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(out)
        self.enter = nn.ConvTranspose2d(channels, out, 4, 2, 1, bias=False)
        self.around = nn.Conv2d(channels, out, 3, padding=1, bias=False)

    def skip(self, x: Tensor) -> Tensor:
        """The shortcut: enlarged, then convolved."""
        large = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        out: Tensor = self.around(large)
        return out


class TextureDecoder(nn.Module):
    """Features, condition and time -> the matte without noise.

    Args:
        features: channels of the encoder's map.
        stride: of the encoder's map, 16 or 32; with 32 there is one more block down and up.
        base: channels at the picture's size; the published decoders have 32.
        condition: channels of the condition: RGB, trimap and noisy matte.
    """

    def __init__(self, features: int, stride: int = 16, base: int = 32, condition: int = 7) -> None:
        super().__init__()
        deep = stride == 32
        down = [condition, base, 2 * base, 4 * base] + [4 * base] * deep
        up = [8 * base] * deep + [8 * base, 4 * base, 2 * base, base]
        self.time = TimeEmbedding()
        self.downs = nn.ModuleList(Down(down[i], down[i + 1]) for i in range(len(down) - 1))
        self.middle = Up(features, up[0])
        self.ups = nn.ModuleList(Up(up[i] + down[-1 - i], up[i + 1]) for i in range(len(up) - 1))
        self.head = nn.Sequential(
            nn.Conv2d(base, base // 2, 3, padding=1),
            nn.BatchNorm2d(base // 2),
            nn.ReLU(),
            nn.Conv2d(base // 2, 1, 1),
        )

    def forward(self, feature: Tensor, condition: Tensor, time: Tensor) -> Tensor:
        """(B, features, H/stride, W/stride), (B, 7, H, W), (B,) -> x_0 (B, 1, H, W) in [-1, 1]."""
        said = self.time(time)
        details = []
        for down in self.downs:
            condition = down(condition, said)
            details.append(condition)
        x = self.middle(feature, said)
        for up, detail in zip(self.ups, reversed(details), strict=True):
            x = up(cat([x, detail], dim=1), said)
        matte: Tensor = 2 * self.head(x).sigmoid() - 1
        return matte
