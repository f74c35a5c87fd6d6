"""The loss of ViTMatte: separate L1 on known and unknown, Laplacian pyramid, gradient penalty.

L = L_known + L_unknown + L_lap + L_gp. The weights inside the terms are those of the
authors' public code. Every plane is (B, 1, H, W); `unknown` is 1 where the trimap is, else 0.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 5
SMOOTHNESS = 0.01
BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)


def region_l1(predicted: Tensor, alpha: Tensor, region: Tensor) -> Tensor:
    """mean |alpha_p - alpha| over the pixels of `region` (1 inside, 0 outside); 0 where empty."""
    return (region * (predicted - alpha).abs()).sum() / region.sum().clamp_min(1)


def _blur(plane: Tensor, gain: float) -> Tensor:
    """Convolve with the 5x5 binomial kernel times `gain`; borders are reflected."""
    row = plane.new_tensor(BINOMIAL) / 16
    kernel = gain * torch.outer(row, row)[None, None]
    return F.conv2d(F.pad(plane, (2, 2, 2, 2), mode="reflect"), kernel)


def laplacian_pyramid(plane: Tensor, levels: int = LEVELS) -> list[Tensor]:
    """Burt and Adelson's pyramid: each level minus its blurred, halved and enlarged self.

    A level of odd side loses its last row or column. The sides must be at least 4 * 2^(levels - 1)
    pixels: reflecting needs more than two.
    """
    pyramid = []
    for _ in range(levels):
        height, width = (side - side % 2 for side in plane.shape[-2:])
        plane = plane[..., :height, :width]
        small = _blur(plane, 1.0)[..., ::2, ::2]
        spread = torch.zeros_like(plane)
        spread[..., ::2, ::2] = small
        pyramid.append(plane - _blur(spread, 4.0))
        plane = small
    return pyramid


def laplacian_loss(predicted: Tensor, alpha: Tensor, levels: int = LEVELS) -> Tensor:
    """L_lap = 1/5 sum_l 2^l mean |Lap_l(alpha_p) - Lap_l(alpha)|, l = 0..4."""
    bands, true = laplacian_pyramid(predicted, levels), laplacian_pyramid(alpha, levels)
    terms = [2**i * F.l1_loss(b, t) for i, (b, t) in enumerate(zip(bands, true, strict=True))]
    return torch.stack(terms).sum() / levels


def _sobel(plane: Tensor) -> Tensor:
    """Sobel's differences across and down, (B, 2, H, W); zeros beyond the border."""
    across = plane.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    return F.conv2d(plane, torch.stack([across, across.T])[:, None], padding=1)


def gradient_penalty(predicted: Tensor, alpha: Tensor, unknown: Tensor) -> Tensor:
    """L_gp = sum over x, y of mean |d alpha_p - d alpha| + 0.01 |d alpha_p|, unknown pixels."""
    slopes, true = _sobel(predicted), _sobel(alpha)
    penalty = (slopes - true).abs() + SMOOTHNESS * slopes.abs()
    return (unknown * penalty).sum() / unknown.sum().clamp_min(1)


def vitmatte_loss(predicted: Tensor, alpha: Tensor, unknown: Tensor) -> dict[str, Tensor]:
    """The four terms and their sum `total`; predicted and alpha in [0, 1]."""
    parts = {
        "unknown": region_l1(predicted, alpha, unknown),
        "known": region_l1(predicted, alpha, 1 - unknown),
        "laplacian": laplacian_loss(predicted, alpha),
        "gradient": gradient_penalty(predicted, alpha, unknown),
    }
    return {**parts, "total": torch.stack(list(parts.values())).sum()}
