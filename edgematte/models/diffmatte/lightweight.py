"""The lightweight net's encoder as one of DiffMatte's: any matting net can be.

It is the way down of MRN, "Highly Efficient Natural Image Matting" (BMVC 2021), section 2.4.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.models.lightweight.network import EfficientNonLocalAttention
from edgematte.models.lightweight.octave import OCBlock, Stem, level, merge


class LightweightEncoder(nn.Module):
    """The way down of the lightweight net's MRN, to one map of 96 channels at 1/16.

    Its parts are named as there, so that a checkpoint's ``mrn.*`` fit.

    Args:
        ena: with the efficient non-local attention.
        k: see :class:`edgematte.models.lightweight.Lightweight`.
    """

    def __init__(self, *, ena: bool = True, k: int = 16) -> None:
        super().__init__()
        self.stem = Stem(6, 16)
        self.en1 = level(16, 16, 2, stride=1, octave_in=False)
        self.en2 = level(16, 32, 2)
        self.en3 = level(32, 64, 2)
        self.en4 = level(64, 96, 2)
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

    def forward(self, x: Tensor) -> Tensor:
        """RGB in [0, 1], background, foreground, unknown (B, 6, H, W) -> (B, 96, H/16, W/16)."""
        y = self.en4(self.en3(self.en2(self.en1(self.stem(x)))))
        if self.ena:
            unknown = F.avg_pool2d(x[:, 5:], 16)
            y = self.ena_en4(y, merge(self.image_branch(x[:, :3])), unknown)
        return merge(y)
