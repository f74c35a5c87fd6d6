"""Reductions over some axes, all of them where none are named."""

import numpy as np

from edgematte.export.mil.attribute import ints, unsupported
from edgematte.export.mil.graph import Array, Value


def _axes(axes: Array | None) -> tuple[int, ...] | None:
    return None if axes is None else ints(axes)


def reduce_mean(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Mean."""
    return np.mean(x, axis=_axes(axes), keepdims=bool(keep_dims))


def reduce_sum(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Sum."""
    return np.sum(x, axis=_axes(axes), keepdims=bool(keep_dims))


def reduce_max(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Largest value."""
    return np.max(x, axis=_axes(axes), keepdims=bool(keep_dims))


def reduce_min(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Smallest value."""
    return np.min(x, axis=_axes(axes), keepdims=bool(keep_dims))


def reduce_prod(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Product."""
    return np.prod(x, axis=_axes(axes), keepdims=bool(keep_dims))


def reduce_l1_norm(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Sum of magnitudes."""
    return reduce_sum(np.abs(x), keep_dims, axes)


def reduce_l2_norm(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Square root of the sum of squares."""
    return np.sqrt(reduce_sum(np.square(x), keep_dims, axes))


def reduce_sum_square(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Sum of squares."""
    return reduce_sum(np.square(x), keep_dims, axes)


def reduce_log_sum(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Logarithm of the sum."""
    return np.log(reduce_sum(x, keep_dims, axes))


def reduce_log_sum_exp(x: Array, keep_dims: Array, axes: Array | None = None) -> Value:
    """Logarithm of the sum of exponentials."""
    along = _axes(axes)
    largest = np.max(x, axis=along, keepdims=True)
    total = np.log(np.sum(np.exp(x - largest), axis=along, keepdims=True)) + largest
    return total if bool(keep_dims) else np.squeeze(total, axis=along)


def reduce_argmax(x: Array, axis: Array, keep_dims: Array, output_dtype: str = "int32") -> Value:
    """Index of the largest value along one axis; the first if several are equal."""
    _check_index_dtype("reduce_argmax", output_dtype)
    return np.argmax(x, axis=int(axis), keepdims=bool(keep_dims))


def reduce_argmin(x: Array, axis: Array, keep_dims: Array, output_dtype: str = "int32") -> Value:
    """Index of the smallest value along one axis; the first if several are equal."""
    _check_index_dtype("reduce_argmin", output_dtype)
    return np.argmin(x, axis=int(axis), keepdims=bool(keep_dims))


def _check_index_dtype(op: str, dtype: str) -> None:
    if dtype.lower() not in ("int32", "uint16"):
        raise unsupported(op, "output_dtype", dtype)
