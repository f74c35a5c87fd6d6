"""Convolutions over one, two or three spatial axes; tensors are (N, C, *sides)."""

import math
from collections.abc import Sequence

import numpy as np

from edgematte.export.mil.attribute import ints, per_channel, unsupported
from edgematte.export.mil.graph import Array
from edgematte.export.mil.padding import Pads, dilated, pad_spatial, spatial_pads

COLUMN_ELEMENTS = 1 << 20  # bounds the unfolded input of a dense convolution
PLANE_ELEMENTS = 1 << 16  # keeps a depthwise convolution's channels in the cache


def conv(
    x: Array,
    weight: Array,
    strides: Array,
    pad_type: str,
    pad: Array,
    dilations: Array,
    groups: Array,
    bias: Array | None = None,
) -> Array:
    """Cross-correlation; weight (C_out, C_in / groups, *kernel)."""
    kernel, steps, spread = weight.shape[2:], ints(strides), ints(dilations)
    extents = dilated(kernel, spread)
    pads = spatial_pads("conv", pad_type, pad, x.shape[2:], extents, steps)
    windows = _windows(pad_spatial(x, pads), kernel, steps, spread)
    parts = int(groups)
    if parts > 1 and parts == x.shape[1]:
        result = _depthwise(windows, weight)
    elif parts == 1 and max(kernel) == 1:
        result = _pointwise(windows, weight)
    else:
        result = _dense(windows, weight, parts)
    if bias is not None:
        result += per_channel(bias, result.ndim)
    return result


def _windows(x: Array, kernel: Sequence[int], steps: Sequence[int], spread: Sequence[int]) -> Array:
    """A view of shape (N, C, *kernel, *results)."""
    results = [
        (side - extent) // step + 1
        for side, extent, step in zip(x.shape[2:], dilated(kernel, spread), steps, strict=True)
    ]
    jumps = [
        *(stride * by for stride, by in zip(x.strides[2:], spread, strict=True)),
        *(stride * by for stride, by in zip(x.strides[2:], steps, strict=True)),
    ]
    return np.lib.stride_tricks.as_strided(
        x, (*x.shape[:2], *kernel, *results), (*x.strides[:2], *jumps), writeable=False
    )


def _pointwise(windows: Array, weight: Array) -> Array:
    n, c = windows.shape[:2]
    sides = windows.shape[weight.ndim :]
    result: Array = np.matmul(weight.reshape(-1, c), windows.reshape(n, c, -1))
    return result.reshape(n, -1, *sides)


def _depthwise(windows: Array, weight: Array) -> Array:
    """Sum of every kernel tap times the shifted input, a few channels at a time."""
    n, c = windows.shape[:2]
    kernel, sides = weight.shape[2:], windows.shape[weight.ndim :]
    copies = weight.shape[0] // c
    taps = weight.reshape(c, copies, *kernel, *[1] * len(sides))
    result = np.empty((n, c, copies, *sides), windows.dtype)
    block = max(1, PLANE_ELEMENTS // (n * math.prod(sides)))
    for first in range(0, c, block):
        part = slice(first, first + block)
        for copy in range(copies):
            total = result[:, part, copy]
            for place in np.ndindex(*kernel):
                shifted, tap = windows[(slice(None), part, *place)], taps[(part, copy, *place)]
                if not any(place):
                    np.multiply(shifted, tap, out=total)
                else:
                    total += shifted * tap
    return result.reshape(n, c * copies, *sides)


def _dense(windows: Array, weight: Array, groups: int) -> Array:
    """Unfold inputs to columns; one matrix product for each block of items and result rows."""
    n, c = windows.shape[:2]
    kernel, sides = weight.shape[2:], windows.shape[weight.ndim :]
    matrix = weight.reshape(groups, weight.shape[0] // groups, -1)
    result = np.empty((n, weight.shape[0], *sides), windows.dtype)
    row = c * math.prod(kernel) * math.prod(sides[1:])
    rows = min(sides[0], max(1, COLUMN_ELEMENTS // row))
    items = max(1, COLUMN_ELEMENTS // (row * rows)) if rows == sides[0] else 1
    skip = (slice(None),) * len(kernel)
    for first in range(0, n, items):
        for top in range(0, sides[0], rows):
            block = windows[(slice(first, first + items), slice(None), *skip)]
            block = block[(slice(None), slice(None), *skip, slice(top, top + rows))]
            inner = block.shape[weight.ndim :]
            columns = np.moveaxis(block, 0, weight.ndim - 1).reshape(groups, matrix.shape[2], -1)
            product = np.matmul(matrix, columns).reshape(-1, len(block), *inner)
            result[first : first + items, :, top : top + rows] = np.moveaxis(product, 0, 1)
    return result


def conv_transpose(
    x: Array,
    weight: Array,
    strides: Array,
    pad_type: str,
    pad: Array,
    dilations: Array,
    groups: Array,
    bias: Array | None = None,
    output_shape: Array | None = None,
) -> Array:
    """The gradient of conv; weight (C_in, C_out / groups, *kernel). Padding is cut off."""
    kernel, steps, spread, parts = weight.shape[2:], ints(strides), ints(dilations), int(groups)
    n, c = x.shape[:2]
    extents = dilated(kernel, spread)
    matrix = weight.reshape(parts, c // parts, weight.shape[1], *kernel)
    columns = x.reshape(n, parts, c // parts, -1)
    sides = [
        (side - 1) * step + extent
        for side, step, extent in zip(x.shape[2:], steps, extents, strict=True)
    ]
    full = np.zeros((n, parts * weight.shape[1], *sides), x.dtype)
    for place in np.ndindex(*kernel):
        tap = np.swapaxes(matrix[(slice(None), slice(None), slice(None), *place)], 1, 2)
        reach = tuple(
            slice(at * by, at * by + (side - 1) * step + 1, step)
            for at, by, side, step in zip(place, spread, x.shape[2:], steps, strict=True)
        )
        full[(slice(None), slice(None), *reach)] += np.matmul(tap, columns).reshape(
            n, -1, *x.shape[2:]
        )
    wanted = None if output_shape is None else ints(output_shape)[2:]
    cuts = _transpose_cuts(pad_type, pad, x.shape[2:], steps, sides, wanted)
    kept = tuple(
        slice(before, side - after) for side, (before, after) in zip(sides, cuts, strict=True)
    )
    missing = tuple((0, max(0, -after)) for _, after in cuts)
    result = pad_spatial(full[(slice(None), slice(None), *kept)], missing)
    return result if bias is None else result + per_channel(bias, result.ndim)


def _transpose_cuts(
    pad_type: str,
    pad: Array,
    sides: Sequence[int],
    steps: Sequence[int],
    full: Sequence[int],
    wanted: Sequence[int] | None,
) -> Pads:
    """How much to cut off the full result, (before, after) for each axis; negative adds zeros."""
    if pad_type not in ("valid", "custom", "same"):
        raise unsupported("conv_transpose", "pad_type", pad_type)
    amounts = ints(pad) if pad_type == "custom" else (0,) * (2 * len(full))
    cuts = []
    for axis, have in enumerate(full):
        before, after = amounts[2 * axis : 2 * axis + 2]
        want = steps[axis] * sides[axis] if pad_type == "same" else have - before - after
        if wanted is not None:
            want = wanted[axis]
        if pad_type == "same":
            before = max(0, have - want) // 2
        cuts.append((before, have - before - want))
    return tuple(cuts)
