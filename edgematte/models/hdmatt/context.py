"""CPC, the cross-patch context module of HDMatt (section 3.2), and TGNL inside it (eq. 1-3)."""

from typing import NamedTuple

import torch
from torch import Tensor, cat, nn, softmax
from torch.nn import functional as F

BACKGROUND, FOREGROUND, UNKNOWN = 0, 1, 2  # channels of a one-hot trimap
REGIONS = (UNKNOWN, FOREGROUND, BACKGROUND)  # order of the parts: U-U, U-F, U-B
NONE, PLAIN, TGNL = 0, 1, 2  # Table 3: models A, B and C
MISSING = -1e4  # added to the logits of a context that is not there


class Bank(NamedTuple):
    """What a patch is to others and to itself; C is the net's width, at 1/8."""

    key: Tensor  # (B, C, h, w), by theta
    value: Tensor  # (B, 2C, h, w), by phi: as a context
    own: Tensor  # (B, 2C, h, w), by delta: as a query
    query: Tensor  # (B, C): mean of the key, zero outside of the unknown region
    context: Tensor  # (B, C): mean of the key
    mask: Tensor  # (B, 3, h, w): one-hot classes


def reduced_trimap(trimap: Tensor, stride: int) -> Tensor:
    """One-hot (B, 3, H, W) -> one-hot (B, 3, H/stride, W/stride).

    *Chosen*: a cell is unknown where any pixel of it is, so that no thin strand is lost; else
    foreground where any pixel is.
    """
    largest = F.max_pool2d(trimap, stride, stride)
    unknown = largest[:, UNKNOWN : UNKNOWN + 1]
    foreground = largest[:, FOREGROUND : FOREGROUND + 1] * (1 - unknown)
    return cat([1 - unknown - foreground, foreground, unknown], dim=1)


def best_contexts(query: Tensor, contexts: Tensor, k: int) -> Tensor:
    """The k contexts of the highest score by eq. 1 and 2, best first; earlier ones win ties.

    The double sum of dot products is the dot product of two sums, and the softmax keeps the order.

    Args:
        query: (B, C), pooled keys of the queries' unknown regions.
        contexts: (B, N, C), pooled keys of their contexts.
        k: how many; all of them where there are fewer.

    Returns:
        int64 (B, min(k, N)).
    """
    scores = (contexts @ query[:, :, None])[:, :, 0]
    return scores.argsort(dim=1, descending=True, stable=True)[:, :k]


class CrossPatchContext(nn.Module):
    """Keys by theta, values by delta (query) and phi (context), 3x3 each; attention by TGNL.

    Args:
        channels: of the features.
        key: channels of keys.
        value: channels of values.
        kind: PLAIN or TGNL.
    """

    def __init__(self, channels: int, key: int, value: int, kind: int = TGNL) -> None:
        super().__init__()
        self.kind = kind
        self.theta = nn.Conv2d(channels, key, 3, padding=1)
        self.delta = nn.Conv2d(channels, value, 3, padding=1)
        self.phi = nn.Conv2d(channels, value, 3, padding=1)

    def bank(self, features: Tensor, mask: Tensor) -> Bank:
        """Features (B, C, h, w) and one-hot classes (B, 3, h, w) -> what attention needs."""
        key = self.theta(features)
        unknown = mask[:, UNKNOWN : UNKNOWN + 1]
        return Bank(
            key,
            self.phi(features),
            self.delta(features),
            (key * unknown).mean(dim=(2, 3)),
            key.mean(dim=(2, 3)),
            mask,
        )

    def forward(
        self,
        key: Tensor,
        own: Tensor,
        mask: Tensor,
        keys: Tensor,
        values: Tensor,
        masks: Tensor,
        pad: Tensor,
    ) -> Tensor:
        """What the query's pixels gather from K contexts, added to their own values.

        Args:
            key: (B, C, h, w) of the query.
            own: (B, V, h, w) of the query.
            mask: (B, 3, h, w) of the query.
            keys: (B, K, C, h, w) of the contexts.
            values: (B, K, V, h, w) of the contexts.
            masks: (B, K, 3, h, w) of the contexts.
            pad: (B, K): 0, or MISSING where there is no such context.

        Returns:
            (B, 3V, h, w): U-U, U-F and U-B; or (B, V, h, w) without trimap guidance.
        """
        batch, count, channels, height, width = (int(n) for n in keys.shape)
        places, wide = height * width, int(values.shape[2])
        absent = pad[:, :, None].expand(batch, count, places).reshape(batch, 1, count * places)
        k = keys.reshape(batch, count, channels, places).permute(0, 2, 1, 3)
        k = k.reshape(batch, channels, count * places)
        v = values.reshape(batch, count, wide, places).permute(0, 1, 3, 2)
        v = v.reshape(batch, count * places, wide)
        if self.kind == PLAIN:
            logits = key.reshape(batch, channels, places).transpose(1, 2) @ k
            return own + _as_map(softmax(logits + absent, dim=-1) @ v, height, width)
        unknown = mask[:, UNKNOWN : UNKNOWN + 1]
        q = (key * unknown).reshape(batch, channels, places).transpose(1, 2)
        logits = q @ k
        parts = []
        for region in REGIONS:
            inside = masks[:, :, region].reshape(batch, 1, count * places)
            # Keys outside of the region are zero: their logits are 0 and stay in the denominator.
            weights = softmax(logits * inside + absent, dim=-1)
            parts.append(_as_map(weights @ (v * inside.transpose(1, 2)), height, width))
        mine = own * unknown
        return cat([mine + part for part in parts], dim=1)


def _as_map(rows: Tensor, height: int, width: int) -> Tensor:
    batch, _, channels = (int(n) for n in rows.shape)
    return rows.transpose(1, 2).reshape(batch, channels, height, width)


def gather(planes: Tensor, chosen: Tensor, k: int) -> Tensor:
    """Entries ``chosen`` (B, n) of planes (B, N, ...) -> (B, k, ...), zeros after the first n."""
    rows = torch.arange(len(planes), device=planes.device)[:, None]
    picked = planes[rows, chosen]
    missing = k - chosen.shape[1]
    if missing:
        picked = cat([picked, picked.new_zeros(len(picked), missing, *picked.shape[2:])], dim=1)
    return picked


def padding(count: int, k: int, like: Tensor) -> Tensor:
    """(B, k) for ``count`` contexts: 0 for those, MISSING for the rest."""
    pad = like.new_zeros(len(like), k)
    pad[:, count:] = MISSING
    return pad
