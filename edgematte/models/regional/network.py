"""The two-stage portrait net of "Lightweight Portrait Matting via Regional Attention and
Refinement" (WACV 2024).

A coarse net says of every 8x8 cell of a frame whether it is background, unknown or foreground, and
guesses its alpha. Unknown cells, with what their nearest neighbours among the unknown cells say,
are refined one by one and pasted on the coarse alpha.
"""

from typing import NamedTuple

import torch
from torch import Tensor, cat, nn, softmax
from torch.nn import functional as F

from edgematte.models.regional.coarse import CoarseNet
from edgematte.models.regional.neighbours import nearest, relative_positions
from edgematte.models.regional.refine import (
    CrossRegionAttention,
    RegionDecoder,
    RegionEncoder,
    Skips,
)

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2
CELL_PX = 8


class Coarse(NamedTuple):
    """What the coarse net says of a frame; values in [0, 1]."""

    alpha: Tensor  # (B, 1, H, W), bilinear
    cell_alpha: Tensor  # (B, 1, H/8, W/8)
    cell_trimap: Tensor  # (B, 3, H/8, W/8): P(background), P(unknown), P(foreground)


class Mattes(NamedTuple):
    """The answer for a batch of frames; values in [0, 1]."""

    alpha: Tensor  # (B, 1, H, W)
    cell_alpha: Tensor  # (B, 1, H/8, W/8)
    cell_trimap: Tensor  # (B, 3, H/8, W/8): P(background), P(unknown), P(foreground)


class Regional(nn.Module):
    """Coarse net, cell selection, region encoder, cross-region attention, region decoder, paste.

    Args:
        cra: with cross-region attention (Table 5, F and G).
        search_range: cells further than this, less one, along an axis share one bias (section 3.3).
        k: neighbours of a region.
        aliasing: test the range on the flat index, as the authors' released code and checkpoints
            do, so that some cells out of range share the bias of one in range; False is the
            paper's rule.
        last_shift: shift windows in Swin's last stage too. The authors' constructor leaves that out
            at its default resolution, where the stage's map is one window, and for frames of 1024
            pixels and more as well; their checkpoints were trained so.
        width: channels of Swin's first stage.
        head_width: channels of one of Swin's heads.
        depth3: blocks of Swin's third stage.
        depth4: blocks of its last stage.
        decoder: channels of the coarse decoder's last level.
        region: channels of the region encoder's first level.
        token: channels of a region's token.
        heads: of cross-region attention.
    """

    def __init__(
        self,
        *,
        cra: bool = True,
        search_range: int = 4,
        k: int = 8,
        aliasing: bool = True,
        last_shift: bool = False,
        width: int = 96,
        head_width: int = 32,
        depth3: int = 6,
        depth4: int = 2,
        decoder: int = 64,
        region: int = 32,
        token: int = 128,
        heads: int = 8,
    ) -> None:
        super().__init__()
        self.config = {
            "cra": int(cra),
            "search_range": search_range,
            "k": k,
            "aliasing": int(aliasing),
            "last_shift": int(last_shift),
            "width": width,
            "head_width": head_width,
            "depth3": depth3,
            "depth4": depth4,
            "decoder": decoder,
            "region": region,
            "token": token,
            "heads": heads,
        }
        self.k, self.search_range, self.aliasing = k, search_range, aliasing
        self.coarse_net = CoarseNet(
            width, (2, 2, depth3, depth4), head_width, decoder, last_shift=last_shift
        )
        self.region_encoder = RegionEncoder(region)
        self.region_decoder = RegionDecoder(region)
        self.cra = CrossRegionAttention(2 * region, token, heads) if cra else None
        if cra:
            self.bias_table = nn.Parameter(torch.zeros((2 * search_range - 1) ** 2 + 1, heads))

    def coarse(self, image: Tensor) -> Coarse:
        """RGB (B, 3, H, W) in [0, 1], sides multiples of 128 -> alpha and trimap of its cells."""
        finest = self.coarse_net(image)[0]
        cell_alpha = finest.alpha.sigmoid()
        alpha = F.interpolate(
            cell_alpha, scale_factor=float(CELL_PX), mode="bilinear", align_corners=False
        )
        return Coarse(alpha, cell_alpha, softmax(finest.trimap, dim=1))

    def encode(self, regions: Tensor) -> tuple[Tensor, Skips]:
        """Regions (N, 4, 8, 8): RGB and coarse alpha -> tokens (N, T) and feature maps."""
        assert self.cra is not None
        skips: Skips = self.region_encoder(regions)
        return self.cra.token(skips.skip2), skips

    def refine(self, tokens: Tensor, bias: Tensor, skips: Skips) -> Tensor:
        """Tokens (N, k+1, T), biases (N, heads, k+1, k+1), maps -> alpha (N, 1, 8, 8)."""
        assert self.cra is not None
        alpha: Tensor = self.region_decoder(
            skips._replace(skip2=self.cra(tokens, bias, skips.skip2))
        )
        return alpha

    def refine_alone(self, regions: Tensor) -> Tensor:
        """Without cross-region attention: regions (N, 4, 8, 8) -> alpha (N, 1, 8, 8)."""
        alpha: Tensor = self.region_decoder(self.region_encoder(regions))
        return alpha

    def forward(self, image: Tensor) -> Mattes:
        """RGB (B, 3, H, W) in [0, 1], sides multiples of 128 -> alpha and what it came from."""
        coarse = self.coarse(image)
        where = (coarse.cell_trimap.argmax(dim=1) == UNKNOWN).nonzero()  # (N, 3), row by row
        cells = coarse.cell_alpha.repeat_interleave(CELL_PX, 2).repeat_interleave(CELL_PX, 3)
        if len(where):
            regions = crop_cells(cat([image, coarse.alpha], dim=1), where)
            cells = paste_cells(cells, self.refined(regions, where), where)
        return Mattes(cells, coarse.cell_alpha, coarse.cell_trimap)

    def refined(self, regions: Tensor, where: Tensor) -> Tensor:
        """Regions (N, 4, 8, 8) and where they are, (N, 3): frame, row, column -> their alpha."""
        if self.cra is None:
            return self.refine_alone(regions)
        tokens, skips = self.encode(regions)
        itself = torch.arange(len(where), device=where.device)[:, None]
        group = cat([itself, nearest(where, self.k)], dim=1)
        index = relative_positions(where[:, 1:][group], self.search_range, self.aliasing)
        bias = self.bias_table[index].permute(0, 3, 1, 2)
        return self.refine(tokens[group], bias, skips)

    @torch.no_grad()
    def balance(self, image: Tensor) -> None:
        """Shift and scale the heads so that random weights answer everything there is to answer.

        On ``image`` (B, 3, H, W) each class then wins somewhere, coarse and refined alpha use the
        whole range, and biases differ by position. For models in training mode, once.
        """
        if self.cra is not None:
            nn.init.normal_(self.bias_table)
        finest = self.coarse_net(image)[0]
        _normalise(self.coarse_net.trimap_heads[-1], finest.trimap, 2.0)
        _normalise(self.coarse_net.alpha_heads[-1], finest.alpha, 1.5)
        seen: list[Tensor] = []
        head = self.region_decoder.head
        hook = head.register_forward_hook(lambda _, given, out: seen.append(out))
        self(image)
        hook.remove()
        _normalise(head, seen[0], 0.25, 0.5)


def crop_cells(planes: Tensor, where: Tensor) -> Tensor:
    """Planes (B, C, H, W) and cells (N, 3): frame, row, column -> regions (N, C, 8, 8)."""
    frame, row, column = where.unbind(dim=1)
    return _cells(planes)[frame, row, column]


def paste_cells(planes: Tensor, regions: Tensor, where: Tensor) -> Tensor:
    """A copy of ``planes`` (B, C, H, W) with regions (N, C, 8, 8) in place of the cells named."""
    frame, row, column = where.unbind(dim=1)
    pasted = _cells(planes).index_put((frame, row, column), regions)
    return pasted.permute(0, 3, 1, 4, 2, 5).reshape(planes.shape)


def _cells(planes: Tensor) -> Tensor:
    batch, channels, height, width = planes.shape
    rows, columns = height // CELL_PX, width // CELL_PX
    split = planes.reshape(batch, channels, rows, CELL_PX, columns, CELL_PX)
    return split.permute(0, 2, 4, 1, 3, 5)


def _normalise(head: nn.Module, answers: Tensor, spread: float, centre: float = 0.0) -> None:
    """Rescale a 1x1 convolution with these answers, all of a channel together."""
    assert isinstance(head, nn.Conv2d) and head.bias is not None
    channels = answers.shape[1]
    mean = answers.mean(dim=(0, 2, 3)).repeat_interleave(head.out_channels // channels)
    std = answers.std(dim=(0, 2, 3)).repeat_interleave(head.out_channels // channels)
    scale = spread / std.clamp(min=1e-6)
    head.weight.mul_(scale[:, None, None, None])
    head.bias.sub_(mean).mul_(scale).add_(centre)
