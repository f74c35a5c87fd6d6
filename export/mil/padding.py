"""The padding of convolutions and pools."""

from collections.abc import Sequence

import numpy as np

from edgematte.export.mil.attribute import ints, unsupported
from edgematte.export.mil.graph import Array

Pads = tuple[tuple[int, int], ...]


def spatial_pads(
    op: str,
    pad_type: str,
    pad: Array,
    sides: Sequence[int],
    extents: Sequence[int],
    strides: Sequence[int],
) -> Pads:
    """Padding (before, after) of each spatial axis; `extents` are the dilated kernel's sides.

    `same` pads so that there are ceil(side / stride) results; an odd element goes after, with
    `same_lower` before.
    """
    if pad_type == "valid":
        return ((0, 0),) * len(sides)
    if pad_type == "custom":
        amounts = ints(pad)
        return tuple(zip(amounts[::2], amounts[1::2], strict=True))
    if pad_type not in ("same", "same_lower"):
        raise unsupported(op, "pad_type", pad_type)
    pads = []
    for side, extent, stride in zip(sides, extents, strides, strict=True):
        total = max(0, (-(-side // stride) - 1) * stride + extent - side)
        small = total // 2
        pads.append((small, total - small) if pad_type == "same" else (total - small, small))
    return tuple(pads)


def pad_spatial(x: Array, pads: Pads, value: float = 0) -> Array:
    """(N, C, *sides) with `value` around the spatial axes; x itself where nothing is added."""
    if not any(before or after for before, after in pads):
        return x
    sides = [before + side + after for side, (before, after) in zip(x.shape[2:], pads, strict=True)]
    padded = np.full((*x.shape[:2], *sides), value, x.dtype)
    inner = tuple(
        slice(before, before + side) for side, (before, _) in zip(x.shape[2:], pads, strict=True)
    )
    padded[(slice(None), slice(None), *inner)] = x
    return padded


def dilated(kernel: Sequence[int], dilations: Sequence[int]) -> tuple[int, ...]:
    """The sides that a kernel covers with its dilation."""
    return tuple(
        (side - 1) * dilation + 1 for side, dilation in zip(kernel, dilations, strict=True)
    )
