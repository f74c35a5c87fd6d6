"""The 344K-parameter trimap-free net of "Highly Efficient Natural Image Matting" (BMVC 2021).

Two stages: the segmentation network (SN) sorts pixels into background, foreground and unknown;
the matting refine network (MRN) regresses alpha where the pixel is unknown. It is
reconstructed so that it has the published numbers of parameters and multiply-adds; what the paper
does not say is marked *chosen*.
"""

from torch import Tensor, cat, nn, softmax
from torch.nn import functional as F

from edgematte.errors import OptionError
from edgematte.models.lightweight.octave import (
    OCBlock,
    Octave,
    Stem,
    add,
    concat,
    level,
    merge,
    upsample,
)

BACKGROUND, FOREGROUND, UNKNOWN = 0, 1, 2  # eq. 6
WIDTH = 16  # channels of SN's stem


class CrossLevelFusion(nn.Module):
    """CFM: channel attention on En1-4, raised to En1-2's size and added to it (section 2.3)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, deep: Octave, shallow: Octave) -> Octave:
        """En1-4 (1/32) and En1-2 (1/8) -> the fused En1-2."""
        pooled = cat([half.mean(dim=(2, 3), keepdim=True) for half in deep], dim=1)
        weight = self.excite(F.relu(self.squeeze(pooled))).sigmoid()
        high, low = weight.chunk(2, dim=1)
        return add(shallow, upsample((deep[0] * high, deep[1] * low), 4))


class SegmentationNetwork(nn.Module):
    """SN: RGB -> class logits at three levels (Fig. 2, section 2.3).

    ``width`` is the number of the stem's channels; all others are in proportion to it.
    """

    def __init__(self, *, cfm: bool = True, width: int = WIDTH) -> None:
        super().__init__()
        first, deep = 3 * width, 4 * width
        self.stem = Stem(3, width)
        self.en1 = level(width, first, 3, octave_in=False)
        self.en2 = level(first, deep, 4)
        self.en3 = level(deep, deep, 6)
        self.en4 = level(deep, deep, 4)
        self.cfm = CrossLevelFusion(deep, width) if cfm else None
        self.de4 = OCBlock(deep, deep)
        self.de3 = OCBlock(deep, deep)
        self.de2 = OCBlock(deep, deep)
        self.head = nn.Conv2d(deep, 3, 3, padding=1)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) RGB -> logits (B, 3, H/8, W/8); in training also those at 1/16 and 1/32."""
        e1 = self.en1(self.stem(image))
        e2 = self.en2(e1)
        e3 = self.en3(e2)
        e4 = self.en4(e3)
        if self.cfm is not None:
            e2 = self.cfm(e4, e2)
        d4 = self.de4(e4)
        d3 = self.de3(add(upsample(d4), e3))
        d2 = self.de2(add(upsample(d3), e2))
        supervised = (d2, d3, d4) if self.training else (d2,)
        return [self.head(merge(d)) for d in supervised]


class EfficientNonLocalAttention(nn.Module):
    """ENA: long-range attention over k strided subsets, then short-range inside k-pixel cells.

    Eq. 2-4. The query is the feature times the unknown probability, without a projection; key and
    value are 1x1 projections of the image branch. Logits are scaled by 1/sqrt(C) (*chosen*).
    """

    def __init__(self, channels: int, image_channels: int, k: int = 16) -> None:
        super().__init__()
        self.key = nn.Conv2d(image_channels, channels, 1)
        self.value = nn.Conv2d(image_channels, channels, 1)
        self.stride = round(k**0.5)
        self.scale = channels**-0.5

    def forward(self, feature: Octave, image_feature: Tensor, unknown: Tensor) -> Octave:
        """Feature (C channels, 1/16), image feature (B, c, H/16, W/16), U (B, 1, H/16, W/16)."""
        query = merge(feature) * unknown
        batch, channels, height, width = (int(n) for n in query.shape)
        s = self.stride
        rows, columns = height // s, width // s

        def split(x: Tensor) -> Tensor:  # (B*rows, s, columns, s, C)
            return x.permute(0, 2, 3, 1).reshape(batch * rows, s, columns, s, channels)

        def phases(x: Tensor) -> Tensor:  # (k, B, n/k, C): pixels s apart
            return x.permute(1, 3, 0, 2, 4).reshape(s * s, batch, rows * columns, channels)

        def cells(x: Tensor) -> Tensor:  # (B*n/k, k, C): neighbouring pixels
            return x.permute(0, 2, 1, 3, 4).reshape(batch * rows * columns, s * s, channels)

        q, k, v = split(query), split(self.key(image_feature)), split(self.value(image_feature))
        long = self._attend(phases(q), phases(k), phases(v))
        long = long.reshape(s, s, batch * rows, columns, channels).permute(2, 0, 3, 1, 4)
        short = self._attend(cells(long), cells(k), cells(v))
        short = short.reshape(batch * rows, columns, s, s, channels).permute(0, 2, 1, 3, 4)
        out = short.reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        high, low = out.chunk(2, dim=1)
        return feature[0] + high, feature[1] + F.avg_pool2d(low, 2)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return softmax((q * self.scale) @ k.transpose(-2, -1), dim=-1) @ v


class MattingRefineNetwork(nn.Module):
    """MRN: RGB and the class probabilities -> alpha of the unknown pixels (Fig. 2, section 2.4)."""

    def __init__(self, *, ena: bool = True, k: int = 16) -> None:
        super().__init__()
        self.stem = Stem(6, 16)
        self.en1 = level(16, 16, 2, stride=1, octave_in=False)
        self.en2 = level(16, 32, 2)
        self.en3 = level(32, 64, 2)
        self.en4 = level(64, 96, 2)
        self.de4 = OCBlock(96, 96)
        self.de3 = OCBlock(160, 64)
        self.de2 = OCBlock(96, 32)
        self.de1 = OCBlock(48, 16)
        self.head = nn.Conv2d(16, 1, 3, padding=1)
        self.ena = ena
        if ena:
            self.image_branch = nn.Sequential(
                Stem(3, 16),
                OCBlock(16, 48, 1, octave_in=False),
                OCBlock(48, 64, 2),
                OCBlock(64, 64, 2),
                OCBlock(64, 64, 2),
            )
            self.ena_en4 = EfficientNonLocalAttention(96, 64, k)
            self.ena_de4 = EfficientNonLocalAttention(96, 64, k)

    def forward(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """RGB (B, 3, H, W) and probabilities (B, 3, H, W) -> alpha_r (B, 1, H, W) in [0, 1]."""
        e1 = self.en1(self.stem(cat([image, probabilities], dim=1)))
        e2 = self.en2(e1)
        e3 = self.en3(e2)
        e4 = self.en4(e3)
        if self.ena:
            unknown = F.avg_pool2d(probabilities[:, UNKNOWN : UNKNOWN + 1], 16)
            image_feature = merge(self.image_branch(image))
            e4 = self.ena_en4(e4, image_feature, unknown)
            d4 = self.ena_de4(self.de4(e4), image_feature, unknown)
        else:
            d4 = self.de4(e4)
        d3 = self.de3(concat(upsample(d4), e3))
        d2 = self.de2(concat(upsample(d3), e2))
        d1 = self.de1(concat(upsample(d2), e1))
        full = F.interpolate(merge(d1), scale_factor=2.0, mode="bilinear", align_corners=False)
        alpha: Tensor = self.head(full).sigmoid()
        return alpha


class Lightweight(nn.Module):
    """SN, then MRN, then eq. 5: alpha = P(foreground) + P(unknown) * alpha_r.

    Args:
        cfm: with the cross-level fusion module (Table 2).
        ena: with the efficient non-local attention (Table 2).
        k: subsets of the long-range attention, a square number (Table 3).
        sn_width: channels of SN's stem, an even number, to which all of SN is in proportion; the
            paper's is 16.

    Raises:
        OptionError: `sn_width` is odd: octave features have two halves.
    """

    def __init__(
        self, *, cfm: bool = True, ena: bool = True, k: int = 16, sn_width: int = WIDTH
    ) -> None:
        if sn_width % 2:
            raise OptionError("octave features have two halves: sn_width must be even")
        super().__init__()
        self.config = {"cfm": int(cfm), "ena": int(ena), "k": k, "sn_width": sn_width}
        self.sn = SegmentationNetwork(cfm=cfm, width=sn_width)
        self.mrn = MattingRefineNetwork(ena=ena, k=k)

    def logits(self, image: Tensor) -> Tensor:
        """RGB (B, 3, H, W) in [0, 1] -> logits of the three classes, (B, 3, H, W)."""
        fine = self.sn(image)[0]
        return F.interpolate(fine, scale_factor=8.0, mode="bilinear", align_corners=False)

    def probabilities(self, image: Tensor) -> Tensor:
        """RGB (B, 3, H, W) in [0, 1] -> P(background, foreground, unknown), (B, 3, H, W)."""
        return softmax(self.logits(image), dim=1)

    def matte(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """RGB and class probabilities, both (B, 3, H, W) -> alpha (B, 1, H, W) in [0, 1]; eq. 5."""
        refined = self.mrn(image, probabilities)
        foreground = probabilities[:, FOREGROUND : FOREGROUND + 1]
        unknown = probabilities[:, UNKNOWN : UNKNOWN + 1]
        alpha: Tensor = foreground + unknown * refined
        return alpha

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """RGB (B, 3, H, W) in [0, 1], sides multiples of 64 -> alpha, probabilities."""
        probabilities = self.probabilities(image)
        return self.matte(image, probabilities), probabilities
