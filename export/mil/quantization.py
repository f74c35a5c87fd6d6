"""Quantisation of activations to 8 bits and back."""

import numpy as np

from edgematte.export.mil.attribute import per_channel, unsupported
from edgematte.export.mil.graph import Array, Value


def _along(value: Array, x: Array, axis: Array | None) -> Array:
    return per_channel(value, x.ndim, 0 if axis is None else int(axis) % x.ndim)


def quantize(
    input: Array,
    scale: Array,
    output_dtype: str,
    zero_point: Array | None = None,
    axis: Array | None = None,
) -> Value:
    """round(input / scale) + zero_point, saturated; halves go to the even neighbour."""
    if output_dtype not in ("int8", "uint8"):
        raise unsupported("quantize", "output_dtype", output_dtype)
    limits = np.iinfo(output_dtype)
    steps = np.rint(input / _along(scale, input, axis))
    if zero_point is not None:
        steps = steps + _along(zero_point, input, axis).astype(np.float32)
    return np.clip(steps, limits.min, limits.max).astype(output_dtype)


def dequantize(
    input: Array, scale: Array, zero_point: Array | None = None, axis: Array | None = None
) -> Value:
    """scale (input - zero_point)."""
    steps = input.astype(np.float32)
    if zero_point is not None:
        steps -= _along(zero_point, input, axis).astype(np.float32)
    return steps * _along(scale, input, axis)
