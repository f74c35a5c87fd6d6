"""A picture made of formulas, a soft-edged subject with strands, for checks without files."""

import numpy as np
from numpy.typing import NDArray

from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN, dilate

Floats = NDArray[np.float64]


def testcard(width: int, height: int) -> NDArray[np.uint8]:
    """Head and shoulders with loose strands before a smooth background; uint8 (H, W, 3) RGB."""
    colour, _ = _scene(width, height)
    picture: NDArray[np.uint8] = np.rint(np.clip(colour, 0, 1) * 63).astype(np.uint8)
    return picture * np.uint8(4)  # with fewer colours records compress better


def testcard_trimap(width: int, height: int) -> NDArray[np.uint8]:
    """The trimap of :func:`testcard`: unknown are soft pixels and neighbours; uint8 (H, W)."""
    _, alpha = _scene(width, height)
    trimap = np.where(alpha > 0.5, np.uint8(FOREGROUND), np.uint8(BACKGROUND))
    trimap[dilate((alpha > 0.02) & (alpha < 0.98), 2)] = UNKNOWN
    return trimap


def _scene(width: int, height: int) -> tuple[Floats, Floats]:
    """Colour (H, W, 3) and alpha (H, W)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = (x - width / 2) / height, y / height  # x around 0, y in 0..1
    sky = np.stack([0.35 + 0.25 * y, 0.55 - 0.1 * y + 0.1 * np.sin(3 * x), 0.8 - 0.4 * y], axis=-1)
    hill = _soft(0.02, y - 0.62 - 0.05 * np.sin(5 * x))[..., None]
    background = sky * (1 - hill) + hill * np.array([0.3, 0.45, 0.25])

    head = _soft(0.012, 0.19 - np.hypot(x, (y - 0.37) * 0.82))
    shoulders = _soft(0.012, 0.36 - np.hypot(x, (y - 1.02) * 0.95))
    neck = _soft(0.012, 0.08 - np.abs(x)) * (y > 0.4) * (y < 0.8)
    angle = np.arctan2(x, 0.37 - y)
    radius = np.hypot(x, y - 0.37)
    waves = 0.5 + 0.5 * np.cos(46 * angle + 9 * np.sin(14 * radius))
    reach = _soft(0.02, 0.27 - radius) * _soft(0.3, np.cos(angle) + 0.35)
    hair = np.clip(waves, 0, 1) ** 2 * reach
    hair_full = _soft(0.015, 0.215 - radius) * _soft(0.1, 0.36 - y)
    alpha = np.maximum.reduce([head, shoulders, neck, hair, hair_full])[..., None]

    skin = np.array([0.85, 0.65, 0.53]) * (1 - 0.35 * np.abs(x))[..., None]
    cloth = np.array([0.7, 0.25, 0.2]) * (1.1 - 0.5 * np.abs(x - 0.1))[..., None]
    brown = np.array([0.28, 0.18, 0.12]) * (0.8 + 0.4 * waves)[..., None]
    is_hair = np.maximum(hair_full, hair * (1 - head))[..., None]
    face = skin * (1 - is_hair) + brown * is_hair
    body = _soft(0.01, y - 0.68)[..., None]
    foreground = face * (1 - body) + cloth * body
    return alpha * foreground + (1 - alpha) * background, alpha[..., 0]


def _soft(width: float, distance: Floats) -> Floats:
    """A ramp from 0 to 1 of the given width around distance 0."""
    t = np.clip(distance / width / 2 + 0.5, 0, 1)
    ramp: Floats = t * t * (3 - 2 * t)
    return ramp
