"""Octave features and the OCBlock, the light convolution block that both stages are made of.

An octave feature is a pair ``(high, low)`` of maps (B, C/2, H, W) and (B, C/2, H/2, W/2).
"Highly Efficient Natural Image Matting", section 2.2; octave convolution after Chen et al. 2019.
"""

from torch import Tensor, cat, nn
from torch.nn import functional as F

Octave = tuple[Tensor, Tensor]


def upsample_nearest(x: Tensor, factor: int = 2) -> Tensor:
    """Repeat every pixel of ``x`` (B, C, H, W) ``factor`` times along both axes."""
    return F.interpolate(x, scale_factor=float(factor), mode="nearest")


def merge(x: Octave) -> Tensor:
    """One map (B, C, H, W) from an octave feature: the low half is repeated to full size."""
    high, low = x
    return cat([high, upsample_nearest(low)], dim=1)


def upsample(x: Octave, factor: int = 2) -> Octave:
    """Repeat both halves of an octave feature ``factor`` times along both axes."""
    return upsample_nearest(x[0], factor), upsample_nearest(x[1], factor)


def add(x: Octave, y: Octave) -> Octave:
    """Fuse two octave features of one shape by addition."""
    return x[0] + y[0], x[1] + y[1]


def concat(x: Octave, y: Octave) -> Octave:
    """Fuse two octave features of one size by concatenation, half by half."""
    return cat([x[0], y[0]], dim=1), cat([x[1], y[1]], dim=1)


class OctSep(nn.Module):
    """Octave-separable convolution, alpha 0.5: depthwise 3x3 on each half, then four 1x1 paths.

    Args:
        cin: input channels, both halves together.
        cout: output channels, both halves together.
        stride: of the depthwise convolutions.
        octave_in: False where the input is one map (alpha_in = 0) of ``cin`` channels.
    """

    def __init__(self, cin: int, cout: int, stride: int = 1, *, octave_in: bool = True) -> None:
        super().__init__()
        high = cin // 2 if octave_in else cin
        half = cout // 2
        self.depth_high = nn.Conv2d(high, high, 3, stride, 1, groups=high, bias=False)
        self.high_to_high = nn.Conv2d(high, half, 1, bias=False)
        self.high_to_low = nn.Conv2d(high, half, 1, bias=False)
        self.octave_in = octave_in
        if octave_in:
            low = cin - high
            self.depth_low = nn.Conv2d(low, low, 3, stride, 1, groups=low, bias=False)
            self.low_to_high = nn.Conv2d(low, half, 1, bias=False)
            self.low_to_low = nn.Conv2d(low, half, 1, bias=False)
        self.norm_high = nn.BatchNorm2d(half)
        self.norm_low = nn.BatchNorm2d(half)

    def forward(self, x: Octave | Tensor) -> Octave:
        """Octave feature (or one map, when ``octave_in`` is False) -> octave feature."""
        if isinstance(x, Tensor):
            high = self.depth_high(x)
            return (
                self.norm_high(self.high_to_high(high)),
                self.norm_low(self.high_to_low(F.avg_pool2d(high, 2))),
            )
        high, low = self.depth_high(x[0]), self.depth_low(x[1])
        to_high = self.high_to_high(high) + upsample_nearest(self.low_to_high(low))
        to_low = self.high_to_low(F.avg_pool2d(high, 2)) + self.low_to_low(low)
        return self.norm_high(to_high), self.norm_low(to_low)


class OCBlock(nn.Module):
    """OctSep, ReLU, OctSep, adding the input if the shape is the same, ReLU (Fig. 2b)."""

    def __init__(self, cin: int, cout: int, stride: int = 1, *, octave_in: bool = True) -> None:
        super().__init__()
        self.first = OctSep(cin, cout, stride, octave_in=octave_in)
        self.second = OctSep(cout, cout)
        self.keeps_shape = octave_in and cin == cout and stride == 1

    def forward(self, x: Octave | Tensor) -> Octave:
        """Octave feature or one map, ``cin`` channels -> octave feature, ``cout`` channels."""
        high, low = self.first(x)
        y: Octave = self.second((F.relu(high), F.relu(low)))
        if self.keeps_shape and not isinstance(x, Tensor):
            y = add(y, x)
        return F.relu(y[0]), F.relu(y[1])


class Stem(nn.Sequential):
    """conv3x3 stride 2, BatchNorm, ReLU: (B, cin, H, W) -> (B, cout, H/2, W/2)."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(
            nn.Conv2d(cin, cout, 3, 2, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True)
        )


def level(
    cin: int, cout: int, blocks: int, stride: int = 2, *, octave_in: bool = True
) -> nn.Module:
    """An encoder level: ``blocks`` OCBlocks, the first of them with ``stride``."""
    first = OCBlock(cin, cout, stride, octave_in=octave_in)
    return nn.Sequential(first, *(OCBlock(cout, cout) for _ in range(blocks - 1)))
