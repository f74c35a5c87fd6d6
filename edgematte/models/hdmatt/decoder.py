"""HDMatt's decoder: three unpoolings with the encoder's maxima, pooled maps as skips."""

from torch import Tensor, cat, nn

from edgematte.models.hdmatt.resnet import Skips, conv_norm, unpool


class Decoder(nn.Module):
    """Context features at 1/8 -> alpha at full resolution, not clamped.

    Args:
        channels: of the context features.
        width: of the encoder's pooled maps.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(_block(channels, 4 * width), _block(4 * width, width))
        self.at_quarter = _block(2 * width, width)
        self.at_half = _block(2 * width, width)
        self.at_full = _block(width, width // 2)
        self.head = nn.Conv2d(width // 2, 1, 3, padding=1)

    def forward(self, context: Tensor, skips: Skips) -> Tensor:
        """(B, channels, H/8, W/8) and skips -> (B, 1, H, W)."""
        x = unpool(self.deep(context), skips.quarter_mask)
        x = unpool(self.at_quarter(cat([x, skips.quarter], dim=1)), skips.half_mask)
        x = unpool(self.at_half(cat([x, skips.half], dim=1)), skips.full_mask)
        alpha: Tensor = self.head(self.at_full(x))
        return alpha


def _block(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(*conv_norm(channels, out), nn.ReLU())
