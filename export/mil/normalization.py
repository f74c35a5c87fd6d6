"""Normalisations; statistics are float32."""

import numpy as np

from edgematte.export.mil.attribute import ints, per_channel
from edgematte.export.mil.graph import Array, Value


def batch_norm(
    x: Array,
    mean: Array,
    variance: Array,
    epsilon: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
) -> Value:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, a value of each per channel (axis 1)."""
    scale = 1 / np.sqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    shift = -mean * scale if beta is None else beta - mean * scale
    return x * per_channel(scale, x.ndim) + per_channel(shift, x.ndim)


def _standardise(x: Array, axes: tuple[int, ...], epsilon: Array) -> Value:
    centred = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(np.square(centred), axis=axes, keepdims=True)
    centred *= 1 / np.sqrt(variance + epsilon)
    return centred


def layer_norm(
    x: Array,
    axes: Array,
    epsilon: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
) -> Value:
    """Zero mean and unit variance over `axes`, then gamma and beta, shaped as those axes."""
    along = tuple(axis % x.ndim for axis in ints(axes))
    sides = [side if axis in along else 1 for axis, side in enumerate(x.shape)]
    result = _standardise(x, along, epsilon)
    if gamma is not None:
        result *= gamma.reshape(sides)
    if beta is not None:
        result += beta.reshape(sides)
    return result


def instance_norm(
    x: Array, epsilon: Array, gamma: Array | None = None, beta: Array | None = None
) -> Value:
    """Zero mean and unit variance over the spatial axes, then gamma and beta of each channel."""
    result = _standardise(x, tuple(range(2, x.ndim)), epsilon)
    if gamma is not None:
        result *= per_channel(gamma, x.ndim)
    if beta is not None:
        result += per_channel(beta, x.ndim)
    return result


def l2_norm(x: Array, epsilon: Array) -> Value:
    """x / sqrt(sum of squares over the last three axes + epsilon)."""
    return x / np.sqrt(np.sum(np.square(x), axis=(-3, -2, -1), keepdims=True) + epsilon)
