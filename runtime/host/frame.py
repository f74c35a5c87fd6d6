"""Fitting a picture into a graph's static size (reduced if larger, then padded), and back."""

from dataclasses import dataclass

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.resize import resize_picture, resize_planes


@dataclass(frozen=True)
class Frame:
    """Where a picture lies in a static frame: at the top left; sizes are (width, height)."""

    picture: tuple[int, int]
    used: tuple[int, int]  # the part of the frame it fills; its own size where that fits
    size: tuple[int, int]


def frame_for(picture: tuple[int, int], size: tuple[int, int]) -> Frame:
    """A picture that fits keeps its size; a larger one is reduced, its sides in proportion."""
    width, height = picture
    if width <= size[0] and height <= size[1]:
        return Frame(picture, picture, size)
    scale = min(size[0] / width, size[1] / height)
    used = (
        min(size[0], max(1, round(width * scale))),
        min(size[1], max(1, round(height * scale))),
    )
    return Frame(picture, used, size)


def to_frame(picture: Bytes, frame: Frame) -> Bytes:
    """Picture (H, W, 3) -> (height, width, 3), reflected beyond its right and bottom borders."""
    inside = resize_picture(picture, frame.used)
    missing = [(0, frame.size[1] - frame.used[1]), (0, frame.size[0] - frame.used[0]), (0, 0)]
    if not any(after for _, after in missing):
        return inside
    return np.pad(inside, missing, mode="reflect")


def from_frame(alpha: Floats, frame: Frame) -> Floats:
    """Alpha of the frame (height, width) -> of the picture (H, W), in [0, 1]."""
    inside = alpha[: frame.used[1], : frame.used[0]]
    if frame.used == frame.picture:
        return np.ascontiguousarray(inside)
    whole: Floats = resize_planes(np.ascontiguousarray(inside)[None], frame.picture)[0]
    return np.clip(whole, 0, 1, out=whole)


def classes_from_frame(trimap: Bytes, frame: Frame) -> Bytes:
    """As :func:`from_frame`, for classes, which must not be mixed: takes the nearest pixel."""
    if frame.used == frame.picture:
        return np.ascontiguousarray(trimap[: frame.used[1], : frame.used[0]])
    width, height = frame.picture
    rows = (np.arange(height) * 2 + 1) * frame.used[1] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * frame.used[0] // (2 * width)
    return np.ascontiguousarray(trimap[rows[:, None], columns])
