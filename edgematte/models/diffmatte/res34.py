"""DiffMatte's ResNet-34 with a deep stem and average-pooled shortcuts, to 1/32.

The authors train it with spectral norm; a checkpoint's is folded into the weights as it is loaded
(:mod:`edgematte.models.diffmatte.keys`), so that nothing of it is left here.
"""

from torch import Tensor, nn
from torch.nn import functional as F

DEPTHS = (3, 4, 4, 2)


class Block(nn.Module):
    """Two 3x3 convolutions around which the input goes, pooled and projected where it must."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        shrink = nn.AvgPool2d(2), nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out)
        self.around = nn.Sequential(*(shrink if stride > 1 else ()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out, H / stride, W / stride)."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.around(x))


class Res34(nn.Module):
    """Normalised RGB and one-hot trimap -> one map of 8 ``width`` channels at 1/32.

    Args:
        width: channels of the first level, 64 as published.
    """

    stride = 32

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.channels = 8 * width
        half = width // 2
        self.stem = nn.Sequential(
            nn.Conv2d(6, half, 3, 2, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, 1, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        widths = [width << i for i in range(4)]
        self.levels = nn.ModuleList(
            nn.Sequential(
                Block(widths[max(i - 1, 0)], widths[i], 1 if i == 0 else 2),
                *(Block(widths[i], widths[i], 1) for _ in range(depth - 1)),
            )
            for i, depth in enumerate(DEPTHS)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 6, H, W), sides multiples of 32 -> (B, 8 width, H/32, W/32)."""
        x = self.stem(x)
        for level in self.levels:
            x = level(x)
        return x
