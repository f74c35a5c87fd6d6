"""ViTMatte (arXiv 2305.15272): a plain vision transformer and a small detail capture module.

The transformer gives one map of features at 1/16. A stream of three convolutions gives details of
the picture at 1/2, 1/4 and 1/8; the map is enlarged by twos and fused with them, down to alpha.
"""

import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F

from edgematte.imagenet import IMAGENET_MEAN, IMAGENET_STD
from edgematte.models.vit.network import Tables, ViT


class ConvBlock(nn.Sequential):
    """Convolution 3x3 without bias, BatchNorm, ReLU."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels, out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        )


class DetailCapture(nn.Module):
    """Features at 1/16 and the picture itself -> alpha.

    Args:
        dim: channels of the features.
        detail: channels of the detail at 1/2; twice and four times as many at 1/4 and 1/8.
        fusion: channels of the fusion at 1/8; a half, a quarter and an eighth further up.
        in_channels: of the picture.
        hidden: channels of the head.
    """

    def __init__(
        self, dim: int, detail: int = 48, fusion: int = 256, in_channels: int = 4, hidden: int = 16
    ) -> None:
        super().__init__()
        details = [in_channels, detail, 2 * detail, 4 * detail]
        widths = [dim, fusion, fusion // 2, fusion // 4, fusion // 8]
        self.stream = nn.ModuleList(ConvBlock(details[i], details[i + 1], 2) for i in range(3))
        self.fusion = nn.ModuleList(
            ConvBlock(details[3 - i] + widths[i], widths[i + 1]) for i in range(4)
        )
        self.head = nn.Sequential(
            nn.Conv2d(widths[4], hidden, 3, padding=1),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, 1, 1),
        )

    def forward(self, features: Tensor, picture: Tensor) -> Tensor:
        """(B, dim, H/16, W/16) and (B, in_channels, H, W) -> alpha (B, 1, H, W)."""
        details = [picture]
        for block in self.stream:
            details.append(block(details[-1]))
        for block, detail in zip(self.fusion, reversed(details), strict=True):
            larger = F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
            features = block(cat([detail, larger], dim=1))
        alpha: Tensor = self.head(features).sigmoid()
        return alpha


class ViTMatte(nn.Module):
    """Normalisation, transformer, detail capture.

    ``mean`` and ``std`` of the normalisation are stored with the weights: the authors' and most
    other checkpoints want ImageNet's.

    Args:
        dim: channels of the transformer.
        depth: its blocks.
        heads: of attention.
        window: side of an attention window, in patches of 16 pixels.
        group: blocks of a group.
        local: blocks of a group that attend inside windows: of 3, 2 are the paper's hybrid
            attention, 0 global attention only and 3 window attention only.
        conv_neck: with a residual bottleneck after each group.
        pretrained: rows and columns of the stored position embedding.
        grid: rows and columns that the relative tables of global blocks are stored for.
        detail: channels of the detail stream at 1/2.
        fusion: channels of the fusion at 1/8.
        hidden: channels of the head.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        dim: int = 384,
        depth: int = 12,
        heads: int = 6,
        window: int = 14,
        group: int = 3,
        local: int = 2,
        conv_neck: bool = True,
        pretrained: int = 14,
        grid: int = 32,
        detail: int = 48,
        fusion: int = 256,
        hidden: int = 16,
    ) -> None:
        super().__init__()
        self.config = {
            "dim": dim,
            "depth": depth,
            "heads": heads,
            "window": window,
            "group": group,
            "local": local,
            "conv_neck": int(conv_neck),
            "pretrained": pretrained,
            "grid": grid,
            "detail": detail,
            "fusion": fusion,
            "hidden": hidden,
        }
        self.backbone = ViT(
            dim=dim,
            depth=depth,
            heads=heads,
            window=window,
            group=group,
            local=local,
            conv_neck=conv_neck,
            pretrained=pretrained,
            grid=grid,
        )
        self.decoder = DetailCapture(dim, detail, fusion, hidden=hidden)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN))
        self.register_buffer("std", torch.tensor(IMAGENET_STD))

    def normalise(self, image: Tensor, trimap: Tensor) -> Tensor:
        """RGB (B, 3, H, W) and trimap (B, 1, H, W), both in [0, 1] -> (B, 4, H, W)."""
        image = (image - self.mean[:, None, None]) / self.std[:, None, None]
        return cat([image, trimap], dim=1)

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """RGB (B, 3, H, W) and trimap (B, 1, H, W), both bytes / 255 -> alpha (B, 1, H, W).

        H and W are multiples of 16; pictures of other sizes are padded with zeros after the
        normalisation, which is ``mean`` before it, and the trimap with zeros.
        """
        return self.matte(self.normalise(image, trimap))

    def matte(self, picture: Tensor, tables: Tables | None = None) -> Tensor:
        """Normalised RGB and trimap (B, 4, H, W) -> alpha (B, 1, H, W); ``tables``: see ViT."""
        alpha: Tensor = self.decoder(self.backbone(picture, tables), picture)
        return alpha

    @torch.no_grad()
    def balance(self, image: Tensor) -> None:
        """Give random weights what zeros and small numbers would hide, for tests and trials.

        Relative positions, necks and position embeddings then matter, and alpha over ``image``
        (B, 3, H, W) uses the whole range. For models in training mode, once.
        """
        for module in self.backbone.modules():
            if isinstance(module, nn.LayerNorm):
                nn.init.uniform_(module.weight, 0.7, 1.3)
                nn.init.uniform_(module.bias, -0.2, 0.2)
        for name, parameter in self.backbone.named_parameters():
            if "relative_" in name:
                nn.init.normal_(parameter, std=0.2)
        nn.init.normal_(self.backbone.position, std=0.3)
        last = self.decoder.head[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        seen: list[Tensor] = []
        hook = last.register_forward_hook(lambda _, given, out: seen.append(out))
        self(*self.examples(image))
        hook.remove()
        scale = 1.5 / float(seen[0].std().clamp(min=1e-6))
        last.weight.mul_(scale)
        last.bias.sub_(seen[0].mean()).mul_(scale)

    def examples(self, image: Tensor) -> tuple[Tensor, ...]:
        """Arguments of ``forward`` for images (B, 3, H, W): a trimap by thirds of the width."""
        thirds = torch.arange(image.shape[3], device=image.device) * 3 // image.shape[3]
        return image, (thirds / 2).expand(image.shape[0], 1, image.shape[2], -1)
