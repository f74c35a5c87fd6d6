"""Which contexts a patch of HDMatt looks at, and how much at each of their places (eq. 3)."""

import numpy as np

from edgematte.arrays import Floats
from edgematte.runtime.host.explanation import Explanation
from edgematte.runtime.nets.hdmatt.context_bank import ContextBank


def explain(bank: ContextBank, number: int, pixel: tuple[int, int]) -> Explanation:
    """Contexts of a patch, and how much the pixel attends to each of their places."""
    image, trimap = bank.planes(number)
    query, key, _ = bank.features(number, image, trimap)
    chosen = bank.choose(number, query)
    patch = bank.patches[number]
    stride = patch.side // key.shape[2]
    row, column = (pixel[1] - patch.top) // stride, (pixel[0] - patch.left) // stride
    keys = np.concatenate([bank.store.get(n, "key") for n in chosen.tolist()] or [key[:0]])
    masks = None
    if "mask" in bank.store.names and len(chosen):
        masks = np.concatenate([bank.store.get(n, "mask") for n in chosen.tolist()])
    weights = attention(key[0, :, row, column], keys, masks)
    return Explanation(pixel, patch, tuple(bank.patches[n] for n in chosen.tolist()), weights)


def attention(query: Floats, keys: Floats, masks: Floats | None) -> Floats:
    """The softmax of eq. 3 for one unknown pixel: (K, h, w), a place's weight in its region.

    Args:
        query: (C,), the pixel's key.
        keys: (K, C, h, w).
        masks: (K, 3, h, w), one-hot classes; None: without trimap guidance.
    """
    logits: Floats = np.einsum("c,kchw->khw", query, keys)
    if not logits.size:
        return logits
    if masks is None:
        return _softmax(logits)
    shares: Floats = np.zeros_like(logits)
    for region in range(masks.shape[1]):
        inside = masks[:, region]
        shares += _softmax(logits * inside) * inside
    return shares


def _softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits - logits.max())
    powers /= powers.sum()
    return powers
