"""Ops that change a tensor's shape or the order of its elements."""

from typing import Any

import numpy as np

from edgematte.export.mil.attribute import ints
from edgematte.export.mil.graph import Array


def reshape(x: Array, shape: Array) -> Array:
    """Reshape; -1 is inferred, 0 keeps x's side at the same place from the right (1 if none)."""
    sides = list(ints(shape))
    for place in range(1, len(sides) + 1):
        if sides[-place] == 0:
            sides[-place] = x.shape[-place] if place <= x.ndim else 1
    return x.reshape(sides)


def reshape_like(
    x: Array, ref_tensors: list[Array], begins: list[Array], ends: list[Array], end_masks: list[Any]
) -> Array:
    """Reshape to a shape joined from slices of the shapes of other tensors."""
    sides: list[int] = []
    for reference, begin, end, to_end in zip(ref_tensors, begins, ends, end_masks, strict=True):
        sides += reference.shape[int(begin) : None if to_end else int(end)]
    return x.reshape(sides)


def transpose(x: Array, perm: Array) -> Array:
    """Reorder the axes as perm says."""
    return np.transpose(x, ints(perm))


def expand_dims(x: Array, axes: Array) -> Array:
    """Insert axes of side 1 at these places of the result."""
    return np.expand_dims(x, ints(axes))


def squeeze(x: Array, axes: Array | None = None) -> Array:
    """Remove the named axes (all where none are named) whose side is 1; longer ones stay."""
    named = range(x.ndim) if axes is None else [axis % x.ndim for axis in ints(axes)]
    return np.squeeze(x, tuple(axis for axis in named if x.shape[axis] == 1))


def flatten2d(x: Array, axis: Array) -> Array:
    """Join the axes before `axis` into one, and the other axes into another."""
    return x.reshape(int(np.prod(x.shape[: int(axis)])), -1)


def concat(values: list[Array], axis: Array, interleave: Array) -> Array:
    """Join tensors along an axis, one after the other or interleaved element by element."""
    along = int(axis)
    if values[0].ndim == 0:
        return np.stack(values)
    if not bool(interleave):
        return np.concatenate(values, along)
    along %= values[0].ndim
    sides = list(values[0].shape)
    sides[along] *= len(values)
    return np.stack(values, along + 1).reshape(sides)


def stack(values: list[Array], axis: Array) -> Array:
    """Join tensors along a new axis."""
    return np.stack(values, int(axis))


def split(
    x: Array, axis: Array, num_splits: Array | None = None, split_sizes: Array | None = None
) -> list[Array]:
    """Cut a tensor along an axis into pieces of the given sizes, or into equal pieces."""
    if split_sizes is None:
        return np.split(x, 1 if num_splits is None else int(num_splits), int(axis))
    return np.split(x, np.cumsum(ints(split_sizes))[:-1], int(axis))


def tile(x: Array, reps: Array) -> Array:
    """Repeat a tensor reps[i] times along axis i."""
    return np.tile(x, ints(reps))


def reverse(x: Array, axes: Array | None = None) -> Array:
    """Reverse the order along the named axes, or along all where none are named."""
    return np.flip(x, None if axes is None else ints(axes))


def shape(x: Array) -> Array:
    """The sides of x as an int32 vector."""
    return np.array(x.shape, np.int32)


def pixel_shuffle(x: Array, upscale_factor: Array) -> Array:
    """(N, C f f, H, W) to (N, C, H f, W f); the channel is the slowest part of C f f."""
    factor = int(upscale_factor)
    n, c, h, w = x.shape
    blocks = x.reshape(n, c // factor**2, factor, factor, h, w)
    return blocks.transpose(0, 1, 4, 2, 5, 3).reshape(n, -1, h * factor, w * factor)


def pixel_unshuffle(x: Array, downscale_factor: Array) -> Array:
    """The inverse of pixel_shuffle."""
    factor = int(downscale_factor)
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // factor, factor, w // factor, factor)
    return blocks.transpose(0, 1, 3, 5, 2, 4).reshape(n, -1, h // factor, w // factor)


def depth_to_space(x: Array, block_size: Array) -> Array:
    """(N, b b C, H, W) to (N, C, H b, W b); the channel is the fastest part of b b C."""
    block = int(block_size)
    n, c, h, w = x.shape
    blocks = x.reshape(n, block, block, c // block**2, h, w)
    return blocks.transpose(0, 3, 4, 1, 5, 2).reshape(n, -1, h * block, w * block)


def space_to_depth(x: Array, block_size: Array) -> Array:
    """The inverse of depth_to_space."""
    block = int(block_size)
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // block, block, w // block, block)
    return blocks.transpose(0, 3, 5, 1, 2, 4).reshape(n, -1, h // block, w // block)
