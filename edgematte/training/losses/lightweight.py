"""The loss of the lightweight net: paper section 2.5, equations 6 to 10."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

BACKGROUND, FOREGROUND, UNKNOWN = 0, 1, 2
WEIGHT_SN, WEIGHT_L1, WEIGHT_GRADIENT = 1.0, 5.0, 0.5  # section 3.1
TOLERANCE = 2.5 / 255


def _grow(mask: Tensor, radius_px: int) -> Tensor:
    """Dilate a (B, 1, H, W) float mask by a square of 2 * radius_px + 1."""
    if radius_px == 0:
        return mask
    size = 2 * radius_px + 1
    rows = F.max_pool2d(mask, (size, 1), 1, (radius_px, 0))
    return F.max_pool2d(rows, (1, size), 1, (0, radius_px))


def trimap_target(alpha: Tensor, known: Tensor, radius_px: int = 0) -> Tensor:
    """Eq. 6: classes 0 background, 1 foreground, 2 unknown, int64 (B, H, W).

    A pixel is unknown if there are, within `radius_px`, both pixels that are not background and
    pixels that are not foreground; with radius 0 this is eq. 6. Args: alpha (B, 1, H, W) in [0, 1];
    known (B, 1, H, W), 0 where alpha is not reliable, so that the class is unknown.
    """
    doubt = 1 - known
    some_foreground = _grow(torch.maximum((alpha > TOLERANCE).float(), doubt), radius_px)
    some_background = _grow(torch.maximum((alpha < 1 - TOLERANCE).float(), doubt), radius_px)
    unknown = some_foreground * some_background
    return torch.where(unknown > 0, UNKNOWN, (alpha > 0.5).long())[:, 0]


def segmentation_loss(logits: Sequence[Tensor], target: Tensor) -> Tensor:
    """Eq. 7: the cross-entropies of the three levels, summed.

    Each level is enlarged eight times, as the finest level is in use, and compared with the target
    at that size. Args: logits (B, 3, H/8, W/8), (B, 3, H/16, W/16), ...; target int64 (B, H, W).
    """
    total = target.new_zeros((), dtype=torch.float32)
    for level in logits:
        raised = F.interpolate(level, scale_factor=8.0, mode="bilinear", align_corners=False)
        step = target.shape[-1] // raised.shape[-1]
        offset = step // 2
        total = total + F.cross_entropy(raised.float(), target[:, offset::step, offset::step])
    return total


def matting_weights(alpha: Tensor, known: Tensor) -> Tensor:
    """Eq. 8's weights: 1 where 0 < alpha < 1, else 0.1; 0 where alpha is not known."""
    fractional = (alpha > TOLERANCE) & (alpha < 1 - TOLERANCE)
    return torch.where(fractional, 1.0, 0.1) * known


def l1_loss(predicted: Tensor, alpha: Tensor, weights: Tensor) -> Tensor:
    """Eq. 8, divided by the sum of the weights; all (B, 1, H, W) in [0, 1]."""
    return (weights * (predicted - alpha).abs()).sum() / weights.sum().clamp_min(1)


def gradient_loss(predicted: Tensor, alpha: Tensor, known: Tensor, weights: Tensor) -> Tensor:
    """Eq. 9 over pairs of known neighbours, divided by the sum of eq. 8's weights."""
    difference = predicted - alpha
    across = (difference[..., 1:] - difference[..., :-1]).abs() * known[..., 1:] * known[..., :-1]
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs()
    down = down * known[..., 1:, :] * known[..., :-1, :]
    return (across.sum() + down.sum()) / weights.sum().clamp_min(1)


def matting_losses(
    predicted: Tensor, alpha: Tensor, known: Tensor, unknown: Tensor | None = None
) -> dict[str, Tensor]:
    """Eq. 8 and 9 and, as `total`, 5 L_1 + 0.5 L_g; all (B, 1, H, W) in [0, 1].

    A known pixel weighs at least `unknown`, the probability that MRN decides its alpha.
    """
    weights = matting_weights(alpha, known)
    if unknown is not None:
        weights = torch.maximum(weights, unknown * known)
    l1 = l1_loss(predicted, alpha, weights)
    gradient = gradient_loss(predicted, alpha, known, weights)
    return {"l1": l1, "gradient": gradient, "total": WEIGHT_L1 * l1 + WEIGHT_GRADIENT * gradient}


def lightweight_loss(
    logits: Sequence[Tensor], target: Tensor, predicted: Tensor, alpha: Tensor, known: Tensor
) -> dict[str, Tensor]:
    """Eq. 10 with section 3.1's weights: L_SN + 5 L_1 + 0.5 L_g as `total`, and its parts.

    Args: as the functions of the terms take them.
    """
    parts = {"sn": segmentation_loss(logits, target), **matting_losses(predicted, alpha, known)}
    return {**parts, "total": WEIGHT_SN * parts["sn"] + parts["total"]}
