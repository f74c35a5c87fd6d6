"""Ops that make or extend tensors: padding, filling, counting."""

import numpy as np

from edgematte.export.mil.attribute import ints, unsupported
from edgematte.export.mil.graph import Array, Value


def pad(x: Array, pad: Array, mode: str, constant_val: Array) -> Array:
    """Pads each of the last axes before and after; reflect omits the edge, replicate repeats it."""
    amounts = ints(pad)
    widths = [(0, 0)] * (x.ndim - len(amounts) // 2) + list(
        zip(amounts[::2], amounts[1::2], strict=True)
    )
    if mode == "constant":
        return np.pad(x, widths, constant_values=constant_val)
    if mode == "reflect":
        return np.pad(x, widths, "reflect")
    if mode == "replicate":
        return np.pad(x, widths, "edge")
    raise unsupported("pad", "mode", mode)


def fill(shape: Array, value: Array) -> Array:
    """A tensor of one value everywhere."""
    return np.full(ints(shape), value)


def fill_like(ref_tensor: Array, value: Array) -> Array:
    """A tensor of one value, in the shape of another tensor."""
    return np.full(ref_tensor.shape, value)


def range_1d(start: Array, end: Array, step: Array) -> Value:
    """start, start + step, ... below end."""
    return np.arange(start.item(), end.item(), step.item())


def one_hot(
    indices: Array, one_hot_vector_size: Array, axis: Array, on_value: Array, off_value: Array
) -> Array:
    """on_value at the index along a new axis, off_value elsewhere."""
    along = int(axis) % (indices.ndim + 1)
    sides = [1] * (indices.ndim + 1)
    sides[along] = int(one_hot_vector_size)
    hot = np.expand_dims(indices, along) == np.arange(sides[along]).reshape(sides)
    return np.where(hot, on_value, off_value)


def band_part(x: Array, lower: Array, upper: Array) -> Array:
    """Zero outside a band around the diagonal of the last two axes; -1 keeps a whole triangle."""
    below = np.arange(x.shape[-2])[:, None] - np.arange(x.shape[-1])[None, :]
    keep = np.ones(below.shape, np.bool_)
    if int(lower) >= 0:
        keep &= below <= int(lower)
    if int(upper) >= 0:
        keep &= -below <= int(upper)
    return np.where(keep, x, np.zeros((), x.dtype))


def cumsum(x: Array, axis: Array, exclusive: Array, reverse: Array) -> Value:
    """Running sum along an axis; exclusive leaves out the element itself."""
    along = int(axis)
    ordered = np.flip(x, along) if bool(reverse) else x
    total = np.cumsum(ordered, along, dtype=x.dtype)
    if bool(exclusive):
        total = total - ordered
    return np.flip(total, along) if bool(reverse) else total
