"""The refining net of 8x8 regions: encoder, cross-region attention, decoder (sections 3.2, 3.3)."""

from typing import NamedTuple

from torch import Tensor, cat, nn, softmax
from torch.nn import functional as F


class Skips(NamedTuple):
    """Feature maps of N regions, by their side in pixels."""

    skip8: Tensor  # (N, c, 8, 8)
    skip4: Tensor  # (N, 2c, 4, 4)
    skip2: Tensor  # (N, 2c, 2, 2)


class Valid(nn.Module):
    """Convolution without padding (or the transposed one), BatchNorm, leaky ReLU."""

    def __init__(self, cin: int, cout: int, side: int, *, transposed: bool = False) -> None:
        super().__init__()
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        self.conv = kind(cin, cout, side)
        self.norm = nn.BatchNorm2d(cout, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, n, n) -> (N, cout, m, m), m = n - side + 1, or n + side - 1 if transposed."""
        return F.leaky_relu(self.norm(self.conv(x)), 0.1)


class RegionEncoder(nn.Module):
    """Three levels of two convolutions: 8x8 -> 8x8, 4x4, 2x2. ``base`` is the first's width."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self.level8 = nn.Sequential(Valid(4, base, 1), Valid(base, base, 1))
        self.level4 = nn.Sequential(Valid(base, 2 * base, 3), Valid(2 * base, 2 * base, 3))
        self.level2 = nn.Sequential(Valid(2 * base, 2 * base, 3), Valid(2 * base, 2 * base, 1))

    def forward(self, regions: Tensor) -> Skips:
        """RGB and bilinear coarse alpha, (N, 4, 8, 8) in [0, 1] -> feature maps."""
        skip8 = self.level8(regions)
        skip4 = self.level4(skip8)
        return Skips(skip8, skip4, self.level2(skip4))


class RegionDecoder(nn.Module):
    """The encoder mirrored, with transposed convolutions.

    Alpha is clamped to [0, 1], except in training, where clamping would stop the gradient.
    """

    def __init__(self, base: int) -> None:
        super().__init__()

        def level(cin: int, cout: int, *sides: int) -> nn.Sequential:
            first, second = sides
            return nn.Sequential(
                Valid(cin, cout, first, transposed=True), Valid(cout, cout, second, transposed=True)
            )

        self.level4 = level(2 * base, base, 1, 3)
        self.level8 = level(3 * base, base, 3, 3)
        self.full = level(2 * base, base // 2, 1, 1)
        self.head = nn.Conv2d(base // 2, 1, 1)

    def forward(self, skips: Skips) -> Tensor:
        """Feature maps -> alpha (N, 1, 8, 8)."""
        x = self.level4(skips.skip2)
        x = self.level8(cat([x, skips.skip4], dim=1))
        x = self.full(cat([x, skips.skip8], dim=1))
        alpha: Tensor = self.head(x)
        return alpha if self.training else alpha.clamp(0, 1)


class RegionAttention(nn.Module):
    """One pre-norm attention block over a region and its neighbours.

    Eq. 2, then an MLP as wide as the token. With ``central`` the region's own token, which is the
    first, is the only query and the only output.
    """

    def __init__(self, width: int, heads: int, *, central: bool) -> None:
        super().__init__()
        self.heads, self.central = heads, central
        self.scale = (width // heads) ** -0.5
        self.norm1 = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """Tokens (N, k+1, T), bias (N, heads, k+1, k+1): query, key -> (N, k+1 or 1, T)."""
        count, length, width = (int(n) for n in tokens.shape)
        normed = self.norm1(tokens)
        key, value = self.key_value(normed).split(width, dim=-1)
        if self.central:
            tokens, normed, bias = tokens[:, :1], normed[:, :1], bias[:, :, :1]
        q, k, v = (
            x.reshape(count, -1, self.heads, width // self.heads).permute(0, 2, 1, 3)
            for x in (self.query(normed), key, value)
        )
        logits = (q * self.scale) @ k.transpose(-2, -1) + bias
        mixed = (softmax(logits, dim=-1) @ v).permute(0, 2, 1, 3).reshape(count, -1, width)
        tokens = tokens + self.out(mixed)
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


class CrossRegionAttention(nn.Module):
    """CRA: two attention blocks over a region and its k nearest; in the last it alone is a query.

    Args:
        features: channels of the 2x2 map.
        width: of a token.
        heads: of the attention.
    """

    def __init__(self, features: int, width: int, heads: int) -> None:
        super().__init__()
        self.enter = nn.Linear(features, width)
        self.pairwise = RegionAttention(width, heads, central=False)
        self.central = RegionAttention(width, heads, central=True)
        self.leave = nn.Linear(width, features)

    def token(self, skip2: Tensor) -> Tensor:
        """The 2x2 maps of N regions -> their tokens (N, T)."""
        entered: Tensor = self.enter(skip2.mean(dim=(2, 3)))
        return entered

    def forward(self, tokens: Tensor, bias: Tensor, skip2: Tensor) -> Tensor:
        """Tokens (N, k+1, T) of regions and neighbours, biases -> the 2x2 maps with context."""
        central = self.central(self.pairwise(tokens, bias), bias)
        added: Tensor = skip2 + self.leave(central[:, 0])[:, :, None, None]
        return added
