"""The loss of HDMatt: equation 4 of section 3.3, weighted by the blending window of appendix A."""

import torch
from torch import Tensor

from edgematte.runtime.host.patches import Patch, blend_window

EPSILON = 1e-12


def window_weights(side_px: int, overlap_px: int) -> Tensor:
    """Eq. 5 for a patch with neighbours on all sides: (side, side) in (0, 1], as the host blends.

    w = min(1, distance to the patch's border / margin), counted from pixel centres.
    """
    inside = Patch(1, 1, side_px)  # touches no border of a picture two pixels larger
    return torch.from_numpy(blend_window(inside, (side_px + 2, side_px + 2), overlap_px))


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    weights = weights.expand_as(values)
    return (weights * values).sum() / weights.sum().clamp_min(1e-6)


def alpha_loss(predicted: Tensor, alpha: Tensor, weights: Tensor) -> Tensor:
    """L_alpha = sqrt((alpha_gt - alpha_q)^2 + eps), eps = 1e-12; the weighted mean over pixels.

    Args: predicted, alpha (B, 1, S, S) in [0, 1]; weights that broadcast to them.
    """
    return _mean(((alpha - predicted) ** 2 + EPSILON).sqrt(), weights)


def composition_loss(
    predicted: Tensor, image: Tensor, foreground: Tensor, background: Tensor, weights: Tensor
) -> Tensor:
    """L_c = sqrt(||I - (alpha_q F + (1 - alpha_q) B)||^2 + eps); the weighted mean over pixels.

    The norm is over the three colours. Args: predicted (B, 1, S, S); image, foreground, background
    (B, 3, S, S) in [0, 1]; weights that broadcast to predicted.
    """
    composed = predicted * foreground + (1 - predicted) * background
    squared = ((image - composed) ** 2).sum(dim=1, keepdim=True)
    return _mean((squared + EPSILON).sqrt(), weights)


def hdmatt_loss(
    predicted: Tensor,
    alpha: Tensor,
    image: Tensor,
    foreground: Tensor,
    background: Tensor,
    unknown: Tensor,
    overlap_px: int,
) -> dict[str, Tensor]:
    """Eq. 4: 0.5 L_alpha + 0.5 L_c as `total`, over the unknown pixels, as Deep Image Matting does.

    `unknown` (B, 1, S, S) is 1 where the trimap is unknown, else 0; the rest as the terms say.
    """
    window = window_weights(predicted.shape[-1], overlap_px).to(predicted)
    weights = unknown * window
    parts = {
        "alpha": alpha_loss(predicted, alpha, weights),
        "composition": composition_loss(predicted, image, foreground, background, weights),
    }
    return {**parts, "total": 0.5 * parts["alpha"] + 0.5 * parts["composition"]}
