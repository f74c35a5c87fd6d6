"""Resizing of the last axes by nearest neighbour or linear interpolation, an axis at a time."""

import numpy as np

from edgematte.export.mil.attribute import ints, unsupported
from edgematte.export.mil.graph import Array, Value


def grid(mode: str, have: int, want: int) -> Array:
    """Positions of `want` samples on [0, have - 1], float64, in one of MIL's sampling modes."""
    place = np.arange(want, dtype=np.float64)
    if mode == "DEFAULT":
        points = place * have / want
    elif mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS") and want > 1:
        points = place * (have - 1) / (want - 1)
    elif mode == "STRICT_ALIGN_CORNERS":
        points = np.zeros(1)
    elif mode == "ALIGN_CORNERS":
        points = np.full(1, (have - 1) / 2)
    elif mode == "OFFSET_CORNERS":
        points = (place + 0.5) * max(1, have - 1) / want
    elif mode == "UNALIGN_CORNERS":
        points = (place + 0.5) * have / want - 0.5
    else:
        raise unsupported("resize", "sampling_mode", mode)
    return np.clip(points, 0, have - 1)


def _linear(x: Array, axis: int, points: Array) -> Value:
    low = np.minimum(points.astype(np.intp), max(0, x.shape[axis] - 2))
    high = np.minimum(low + 1, x.shape[axis] - 1)
    share = (points - low).astype(np.float32)
    share = share.reshape(-1, *[1] * (x.ndim - 1 - axis % x.ndim))
    first = np.take(x, low, axis, mode="clip")
    step = np.take(x, high, axis, mode="clip")
    step -= first
    step *= share
    step += first
    return step


def _nearest(x: Array, axis: int, want: int) -> Value:
    have = x.shape[axis]
    if want % have == 0:
        return np.repeat(x, want // have, axis)
    return np.take(x, np.arange(want) * have // want, axis, mode="clip")


def _resize_linear(x: Array, sides: tuple[int, ...], mode: str) -> Array:
    x = x.astype(np.float32, copy=False)
    for axis, want in zip(range(-1, -len(sides) - 1, -1), reversed(sides), strict=True):
        points = grid(mode, x.shape[axis], want)
        if not np.array_equal(points, np.arange(x.shape[axis])):
            x = _linear(x, axis, points)
    return x


def _resize_nearest(x: Array, sides: tuple[int, ...]) -> Array:
    for axis, want in zip(range(-1, -len(sides) - 1, -1), reversed(sides), strict=True):
        x = _nearest(x, axis, want)
    return x


def _scaled_sides(x: Array, height: Array, width: Array) -> tuple[int, int]:
    return int(np.floor(height * x.shape[-2])), int(np.floor(width * x.shape[-1]))


def upsample_nearest_neighbor(
    x: Array, scale_factor_height: Array, scale_factor_width: Array
) -> Array:
    """Element floor(i * have / want) of the last two axes, want = floor(scale * have)."""
    return _resize_nearest(x, _scaled_sides(x, scale_factor_height, scale_factor_width))


def resize_nearest_neighbor(x: Array, target_size_height: Array, target_size_width: Array) -> Array:
    """Element floor(i * have / want) of the last two axes."""
    return _resize_nearest(x, (int(target_size_height), int(target_size_width)))


def upsample_bilinear(
    x: Array,
    scale_factor_height: Array,
    scale_factor_width: Array,
    align_corners: Array,
    half_pixel_centers: Array | None = None,
) -> Array:
    """Linear interpolation of the last two axes, want = floor(scale * have)."""
    aligned = bool(align_corners)
    centred = not aligned if half_pixel_centers is None else bool(half_pixel_centers)
    if aligned and centred:
        raise unsupported("upsample_bilinear", "half_pixel_centers with align_corners", True)
    mode = "STRICT_ALIGN_CORNERS" if aligned else "UNALIGN_CORNERS" if centred else "DEFAULT"
    return _resize_linear(x, _scaled_sides(x, scale_factor_height, scale_factor_width), mode)


def resize_bilinear(
    x: Array, target_size_height: Array, target_size_width: Array, sampling_mode: str
) -> Array:
    """Linear interpolation of the last two axes."""
    return _resize_linear(x, (int(target_size_height), int(target_size_width)), sampling_mode)


def resize(
    x: Array, shape: Array, resized_dims: Array, interpolation_mode: str, sampling_mode: str
) -> Array:
    """Resize the last `resized_dims` axes to the last sides of `shape`; 0 keeps a side."""
    count = int(resized_dims)
    asked = ints(shape)[len(ints(shape)) - count :]
    have = x.shape[x.ndim - count :]
    sides = tuple(want or side for want, side in zip(asked, have, strict=True))
    if interpolation_mode == "LINEAR":
        return _resize_linear(x, sides, sampling_mode)
    if interpolation_mode != "NEAREST_NEIGHBOR":
        raise unsupported("resize", "interpolation_mode", interpolation_mode)
    if sampling_mode != "DEFAULT":
        raise unsupported("resize (NEAREST_NEIGHBOR)", "sampling_mode", sampling_mode)
    return _resize_nearest(x, sides)
