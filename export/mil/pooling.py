"""Pools over the spatial axes of (N, C, *sides), one axis after the other."""

import math

import numpy as np

from edgematte.export.mil.attribute import ints
from edgematte.export.mil.graph import Array, Value
from edgematte.export.mil.padding import pad_spatial, spatial_pads


def max_pool(
    x: Array, kernel_sizes: Array, strides: Array, pad_type: str, pad: Array, ceil_mode: Array
) -> Array:
    """Largest value in each window, padding not counted."""
    frame = _Frame("max_pool", x, kernel_sizes, strides, pad_type, pad, bool(ceil_mode))
    return frame.reduce(x, np.maximum, -math.inf)


def avg_pool(
    x: Array,
    kernel_sizes: Array,
    strides: Array,
    pad_type: str,
    pad: Array,
    ceil_mode: Array,
    exclude_padding_from_average: Array,
) -> Array:
    """Mean of each window; padding counts as zeros, or is left out of the mean."""
    frame = _Frame("avg_pool", x, kernel_sizes, strides, pad_type, pad, bool(ceil_mode))
    total = frame.reduce(x, np.add, 0)
    total /= frame.counts(bool(exclude_padding_from_average))
    return total


class _Frame:
    """Where the windows of a pool lie: sides, kernel, strides, padding and results by axis."""

    def __init__(
        self,
        op: str,
        x: Array,
        kernel_sizes: Array,
        strides: Array,
        pad_type: str,
        pad: Array,
        ceil_mode: bool,
    ) -> None:
        self.sides = x.shape[2:]
        self.kernel, self.steps = ints(kernel_sizes), ints(strides)
        self.pads = spatial_pads(op, pad_type.lower(), pad, self.sides, self.kernel, self.steps)
        self.results = [self._result(axis, ceil_mode) for axis in range(len(self.sides))]

    def _result(self, axis: int, ceil_mode: bool) -> int:
        (before, after), step = self.pads[axis], self.steps[axis]
        room: int = self.sides[axis] + before + after - self.kernel[axis]
        count = (room + (step - 1 if ceil_mode else 0)) // step + 1
        if ceil_mode and before + after > 0 and (count - 1) * step >= self.sides[axis] + before:
            count -= 1  # a window may not start in the padding after
        return count

    def reduce(self, x: Array, combine: np.ufunc, empty: float) -> Array:
        """Apply `combine` over each window; beyond the edge the value is `empty`."""
        reaches = []
        for axis, (before, _) in enumerate(self.pads):
            end = (self.results[axis] - 1) * self.steps[axis] + self.kernel[axis]
            reaches.append((before, max(0, end - before - self.sides[axis])))
        padded = pad_spatial(x, tuple(reaches), empty)
        for axis in reversed(range(len(self.sides))):
            padded = self._reduce_axis(padded, axis, combine)
        return padded

    def _reduce_axis(self, x: Array, axis: int, combine: np.ufunc) -> Value:
        step, count = self.steps[axis], self.results[axis]
        ahead = (slice(None),) * (axis + 2)
        if count == 1:
            window = x[(*ahead, slice(self.kernel[axis]))]
            return combine.reduce(window, axis=axis + 2, keepdims=True)
        result = x[(*ahead, slice(0, (count - 1) * step + 1, step))].copy()
        for place in range(1, self.kernel[axis]):
            shifted = x[(*ahead, slice(place, place + (count - 1) * step + 1, step))]
            combine(result, shifted, out=result)
        return result

    def counts(self, exclude_padding: bool) -> Array:
        """How many elements each window is divided by, shaped (*results)."""
        total = np.ones((), np.float32)
        for axis, (before, after) in enumerate(self.pads):
            start = np.arange(self.results[axis]) * self.steps[axis]
            end = start + self.kernel[axis]
            low = before if exclude_padding else 0
            high = before + self.sides[axis] + (0 if exclude_padding else after)
            count = np.minimum(end, high) - np.maximum(start, low)
            total = total[..., None] * count.astype(np.float32)
        return total
