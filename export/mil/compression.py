"""Ops that expand weights which the package stores compressed."""

import math

import numpy as np

from edgematte.export.mil.attribute import ints, unsupported
from edgematte.export.mil.graph import Array, Value
from edgematte.export.mil.quantization import dequantize


def constexpr_affine_dequantize(
    quantized_data: Array, zero_point: Array, scale: Array, axis: Array
) -> Value:
    """scale (quantized_data - zero_point), both of them scalars or vectors along an axis."""
    return dequantize(quantized_data, scale, zero_point, axis)


def constexpr_blockwise_shift_scale(
    data: Array, scale: Array, offset: Array | None = None
) -> Value:
    """scale (data - offset), with one scale and offset for each block of data.

    The sides of a block are those of data divided by those of scale.
    """
    blocks, ones = [], []
    for side, count in zip(data.shape, scale.shape, strict=True):
        blocks += [count, side // count]
        ones += [count, 1]
    steps = data.astype(np.float32).reshape(blocks)
    if offset is not None:
        steps -= offset.astype(np.float32).reshape(ones)
    steps *= scale.reshape(ones)
    return steps.reshape(data.shape)


def constexpr_lut_to_dense(
    indices: Array, lut: Array, shape: Array | None = None, vector_axis: Array | None = None
) -> Value:
    """Palettised weights.

    With `shape` (iOS 16) there is one table, and its indices are packed into bytes, lowest bits
    first. Without `shape` (iOS 18) lut is (*groups, palettes, vector), with one table for each
    block of the indices; the elements of a vector follow each other along vector_axis.
    """
    if shape is not None:
        sides = ints(shape)
        return lut[_unpack(indices, int(math.log2(lut.size)), math.prod(sides))].reshape(sides)
    tables = [
        (np.arange(side) * groups // side).reshape(-1, *[1] * (indices.ndim - 1 - axis))
        for axis, (side, groups) in enumerate(zip(indices.shape, lut.shape, strict=False))
    ]
    dense = lut[(*tables, indices)]
    if vector_axis is None or dense.shape[-1] == 1:
        return dense.reshape(indices.shape)
    along = int(vector_axis) % indices.ndim
    result = list(indices.shape)
    result[along] *= dense.shape[-1]
    return np.moveaxis(dense, -1, along + 1).reshape(result)


def constexpr_sparse_to_dense(
    nonzero_data: Array, mask: Array, shape: Array | None = None
) -> Value:
    """Weights stored without their zeros; with `shape` the mask is packed into bytes."""
    if shape is not None:
        sides = ints(shape)
        mask = _unpack(mask, 1, math.prod(sides)).reshape(sides)
    dense = np.zeros(mask.shape, nonzero_data.dtype)
    dense[mask != 0] = nonzero_data
    return dense


def constexpr_cast(source_val: Array, output_dtype: str) -> Array:
    """float16 weights as float32."""
    if output_dtype != "fp32":
        raise unsupported("constexpr_cast", "output_dtype", output_dtype)
    return source_val.astype(np.float32)


def _unpack(packed: Array, bits: int, count: int) -> Array:
    """`count` unsigned numbers of `bits` bits each, from bytes, lowest bits first."""
    flat = np.unpackbits(packed.view(np.uint8), bitorder="little")[: bits * count]
    return np.packbits(flat.reshape(count, bits), axis=1, bitorder="little")[:, 0]
