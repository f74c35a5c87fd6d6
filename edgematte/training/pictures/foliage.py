"""Plants made without any file: stems with leaves, often in a pot.

In most photographs leaves are background, and a net learns that they always are. In these scenes
plants are the foreground, with the many small holes that plants have.
"""

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgematte.training.pictures.procedural import noise

Rng = np.random.Generator
Points = NDArray[np.float64]
SUPERSAMPLE = 2


def _leaf(at: Points, angle: float, length: float, width: float, bend: float) -> list[float]:
    """The outline of a lens that starts at a point, flat: x, y, x, y, ..."""
    t = np.linspace(0, 1, 7)
    across = width / 2 * np.sin(np.pi * t**0.8)
    turn = angle + bend * t
    spine = at + length * np.stack([t * np.cos(turn), t * np.sin(turn)], axis=1)
    normal = np.stack([-np.sin(turn), np.cos(turn)], axis=1) * across[:, None]
    outline = np.concatenate([spine + normal, (spine - normal)[::-1]])
    return [float(value) for value in outline.ravel()]


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, min(1, saturation), min(1, value))
    return round(255 * red), round(255 * green), round(255 * blue)


def _pot(rng: Rng, draw: ImageDraw.ImageDraw, x: float, y: float, side: float) -> None:
    """A pot that narrows downwards, its rim at (x, y)."""
    top, height = side * rng.uniform(0.12, 0.24), side * rng.uniform(0.15, 0.3)
    foot, rim = top * rng.uniform(0.5, 1.0), height * rng.uniform(0, 0.25)
    hue, saturation, value = rng.uniform(0.02, 0.1), rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.9)
    if rng.random() < 0.4:
        hue, saturation = rng.random(), rng.uniform(0, 0.7)
    body = [x - top * 0.92, y, x + top * 0.92, y, x + foot, y + height, x - foot, y + height]
    draw.polygon(body, fill=_colour(hue, saturation, value))
    draw.rectangle((x - top, y, x + top, y + rim), fill=_colour(hue, saturation, value * 1.1))


def plant(rng: Rng, side_px: int) -> Image.Image:
    """An RGBA plant on a square of `side_px`: 3 to 14 stems, 25 to 400 leaves of one kind."""
    side = side_px * SUPERSAMPLE
    canvas = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(canvas)
    root = np.array([side * rng.uniform(0.4, 0.6), side * rng.uniform(0.6, 0.8)])
    hue = rng.uniform(0.13, 0.42) if rng.random() < 0.8 else rng.random()
    saturation, light = rng.uniform(0.25, 0.9), rng.uniform(0.35, 0.9)
    stems, leaves = int(rng.integers(3, 15)), int(np.exp(rng.uniform(np.log(25), np.log(400))))
    spread, reach = rng.uniform(0.3, 0.9), side * rng.uniform(0.35, 0.6)
    length = reach * rng.uniform(0.8, 4.0) / leaves**0.5
    slim, droop = rng.uniform(0.12, 0.6), rng.uniform(-0.3, 1.0)
    angles = -np.pi / 2 + rng.normal(0, spread, stems)
    tips = root + reach * rng.uniform(0.6, 1.1, (stems, 1)) * np.stack(
        [np.cos(angles), np.sin(angles)], axis=1
    )
    width = max(1, round(side * rng.uniform(0.004, 0.015)))
    for tip in tips:
        draw.line([*root, *tip], fill=(*_colour(hue, saturation, light * 0.6), 255), width=width)
    for i in range(leaves):  # leaves behind are drawn first, and darker
        stem = int(rng.integers(stems))
        at = root + (tips[stem] - root) * rng.uniform(0.15, 1.0)
        angle = angles[stem] + rng.normal(0, 0.8)
        angle += droop * np.cos(angle)  # towards the ground, on either side
        size = length * rng.uniform(0.5, 1.4)
        shade = light * (0.5 + 0.6 * i / leaves) * rng.uniform(0.75, 1.2)
        fill = _colour(hue + rng.normal(0, 0.02), saturation * rng.uniform(0.7, 1.2), shade)
        outline = _leaf(at, angle, size, size * slim, rng.normal(0, 0.5))
        draw.polygon(outline, fill=(*fill, 255))
    if rng.random() < 0.65:
        _pot(rng, draw, root[0], root[1], side)
    canvas = canvas.convert("RGBa").resize((side_px, side_px), Image.Resampling.BOX).convert("RGBA")
    pixels = np.array(canvas)
    rough = noise(rng, canvas.size, int(rng.integers(4, 64)))[..., None]
    pixels[..., :3] = np.clip(pixels[..., :3] * (0.7 + 0.6 * rough), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)
