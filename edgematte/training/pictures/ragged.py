"""Ragged scenes made without cut-outs: fur, leaves and holes whose colours are photographs'.

What decides an unknown pixel there is which of the colours around it are like its own: what MRN is
to learn, on more shapes and colours than cut-outs have.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.training.pictures.augment import colour
from edgematte.training.pictures.procedural import noise
from edgematte.training.pictures.scenes import Scene, background_scene, layered
from edgematte.training.pictures.sources import Library

Rng = np.random.Generator
Field = NDArray[np.float32]


def _fur(rng: Rng, side_px: int, x: Field, y: Field) -> Field:
    """Noise in [0, 1] drawn out along the rays of a point, which bend."""
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    bend = noise(rng, (side_px, side_px), int(rng.integers(2, 8))) - 0.5
    angle = angle + rng.uniform(-1, 1) * radius + rng.uniform(0.1, 1.5) * bend
    around, along = int(2 ** rng.uniform(5, 9)), int(rng.integers(2, 9))
    rays = rng.random((along, around)).astype(np.float32)
    rays = np.asarray(Image.fromarray(rays).resize((4 * around, 128), Image.Resampling.BICUBIC))
    column = (angle / (2 * np.pi) % 1 * (rays.shape[1] - 1)).astype(int)
    row = np.minimum(radius / 3 * (len(rays) - 1), len(rays) - 1).astype(int)
    lengths: Field = rays[row, column]
    return lengths


def _grain(rng: Rng, side_px: int) -> Field:
    """Noise in [0, 1] of two scales."""
    size = (side_px, side_px)
    first = int(2 ** rng.uniform(3, np.log2(side_px / 3)))
    second = min(side_px // 2, 2 * first)
    return 0.65 * noise(rng, size, first) + 0.35 * noise(rng, size, second)


def ragged_alpha(rng: Rng, side_px: int) -> NDArray[np.uint8]:
    """An alpha (S, S) with a foreground, a background, and between them a ragged zone.

    It is where a smooth field and noise exceed a level: strands, leaves, islands, holes; soft or
    sharp, all of one opacity or thin in places.
    """
    size = (side_px, side_px)
    y, x = np.mgrid[-1 : 1 : side_px * 1j, -1 : 1 : side_px * 1j].astype(np.float32)
    cx, cy = rng.uniform(-1.2, 1.2, 2)
    field = rng.uniform(0.5, 1.6) - np.hypot(x - cx, y - cy)
    field = field + rng.uniform(0, 0.8) * (noise(rng, size, int(rng.integers(2, 8))) - 0.5)
    kind = rng.random()
    if kind < 0.45:
        zone = _fur(rng, side_px, x - np.float32(cx), y - np.float32(cy))
    elif kind < 0.9:
        zone = _grain(rng, side_px)
    else:
        zone = np.zeros_like(field)
    depth = rng.uniform(0.1, 1.0)  # of the zone, in half sides
    level = field + depth * (zone - 0.5) * 2
    spread = float(np.abs(np.diff(level, axis=1)).mean()) + 1e-3  # per pixel, on average
    soft_px = 2 ** rng.uniform(-0.5, 2.5)
    alpha = np.clip(level / (spread * soft_px) + 0.5, 0, 1)
    if rng.random() < 0.25:  # thin where the zone is
        outer = np.clip(1 - field / depth, 0, 1)
        alpha = alpha * (1 - rng.uniform(0.2, 0.8) * outer)
    plane: NDArray[np.uint8] = (alpha * 255 + 0.5).astype(np.uint8)
    return plane


def ragged_scene(rng: Rng, library: Library, side_px: int) -> Scene:
    """A ragged alpha, with a photograph (or texture) for its foreground and another behind it."""
    foreground = colour(rng, background_scene(rng, library, side_px))
    background = background_scene(rng, library, side_px)
    alpha = Image.fromarray(ragged_alpha(rng, side_px))
    return layered(foreground, alpha, background)
