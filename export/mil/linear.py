"""Matrix products; sums are float32."""

import math

import numpy as np

from edgematte.export.mil.activation import softmax
from edgematte.export.mil.graph import Array, Value


def _rows(x: Array) -> Array:
    """x with one of its last two axes contiguous, which is what a fast product needs."""
    if x.ndim < 2 or x.itemsize in x.strides[-2:]:
        return x
    return np.ascontiguousarray(x)


def linear(x: Array, weight: Array, bias: Array | None = None) -> Value:
    """x weight^T + bias over the last axis."""
    product = np.matmul(x.reshape(-1, x.shape[-1]), weight.T)
    if bias is not None:
        product += bias
    return product.reshape(*x.shape[:-1], -1)


def matmul(x: Array, y: Array, transpose_x: Array, transpose_y: Array) -> Value:
    """Matrix product over the last two axes, either operand transposed first; others broadcast."""
    left = np.swapaxes(x, -1, -2) if bool(transpose_x) and x.ndim > 1 else x
    right = np.swapaxes(y, -1, -2) if bool(transpose_y) and y.ndim > 1 else y
    return np.matmul(_rows(left), _rows(right))


def einsum(values: list[Array], equation: str) -> Array:
    """The one form that MIL has: nchw,nwhu->nchu, with or without n; n and h broadcast."""
    left, right = (np.swapaxes(value, -3, -2) for value in values)
    return np.swapaxes(np.matmul(_rows(left), _rows(right)), -3, -2)


def scaled_dot_product_attention(
    query: Array, key: Array, value: Array, attn_mask: Array | None = None
) -> Value:
    """softmax(query key^T / sqrt(E) + mask) value; a boolean mask keeps where it is true."""
    scale = np.float32(1 / math.sqrt(query.shape[-1]))
    scores = np.matmul(_rows(query) * scale, np.swapaxes(_rows(key), -1, -2))
    if attn_mask is not None and attn_mask.dtype == np.bool_:
        scores = np.where(attn_mask, scores, np.float32(-math.inf))
    elif attn_mask is not None:
        scores = scores + attn_mask
    return np.matmul(softmax(scores, np.array(-1)), _rows(value))
