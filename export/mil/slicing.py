"""Ops that pick elements: slices, crops, gathers."""

import numpy as np

from edgematte.export.mil.attribute import ints
from edgematte.export.mil.graph import Array, Value


def slice_by_index(
    x: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> Array:
    """x[begin:end:stride] on every axis; a masked bound is open, a squeezed axis takes `begin`."""
    steps = (1,) * x.ndim if stride is None else ints(stride)
    open_begin, open_end, squeezed = (
        (0,) * x.ndim if mask is None else ints(mask)
        for mask in (begin_mask, end_mask, squeeze_mask)
    )
    picks: list[slice | int] = []
    for axis, (first, last) in enumerate(zip(ints(begin), ints(end), strict=True)):
        if squeezed[axis]:
            picks.append(0 if open_begin[axis] else first)
            continue
        start = None if open_begin[axis] else first
        picks.append(slice(start, None if open_end[axis] else last, steps[axis]))
    return x[tuple(picks)]


def slice_by_size(x: Array, begin: Array, size: Array) -> Array:
    """size[i] elements from begin[i] on, along each axis i; -1 takes all that remain."""
    picks = []
    for side, first, length in zip(x.shape, ints(begin), ints(size), strict=True):
        start = first % side if side else 0
        picks.append(slice(start, side if length == -1 else start + length))
    return x[tuple(picks)]


def crop(x: Array, crop_height: Array, crop_width: Array) -> Array:
    """Cut some rows and columns off both ends of the last two axes."""
    top, bottom = ints(crop_height)
    left, right = ints(crop_width)
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def gather(
    x: Array,
    indices: Array,
    axis: Array,
    batch_dims: Array | None = None,
    validate_indices: Array | None = None,
) -> Array:
    """Slices of x along an axis; x and indices share the first `batch_dims` axes."""
    along, batch = int(axis) % x.ndim, 0 if batch_dims is None else int(batch_dims)
    if batch == 0:
        return np.take(x, indices, along)
    items = [
        np.take(x[place], indices[place], along - batch) for place in np.ndindex(*x.shape[:batch])
    ]
    return np.stack(items).reshape(*x.shape[:batch], *items[0].shape)


def gather_along_axis(
    x: Array, indices: Array, axis: Array, validate_indices: Array | None = None
) -> Array:
    """One element of x along an axis for each index."""
    return np.take_along_axis(x, indices.astype(np.intp), int(axis))


def gather_nd(
    x: Array,
    indices: Array,
    batch_dims: Array | None = None,
    validate_indices: Array | None = None,
) -> Value:
    """Slices of x at the coordinates in the last axis of indices."""
    batch = 0 if batch_dims is None else int(batch_dims)
    if batch == 0:
        return x[tuple(np.moveaxis(indices, -1, 0))]
    items = [
        x[place][tuple(np.moveaxis(indices[place], -1, 0))]
        for place in np.ndindex(*x.shape[:batch])
    ]
    return np.stack(items).reshape(*x.shape[:batch], *items[0].shape)
