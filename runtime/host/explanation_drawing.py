"""A drawing of what a patch looked at."""

import numpy as np
from PIL import Image, ImageDraw

from edgematte.arrays import Bytes
from edgematte.runtime.host.explanation import Explanation
from edgematte.runtime.host.patches import Patch

GREEN, RED, BLUE = (0, 200, 0), (230, 30, 30), (40, 90, 255)
LONGEST_PX = 1600  # the longer side of a drawing
DIMMED = 0.45  # brightness of contexts where there is no attention


def draw(explanation: Explanation, picture: Bytes) -> Bytes:
    """Draw on the picture (at most 1600 pixels long): query patch green, contexts red, pixel blue.

    Contexts are dimmed: the brighter a place in them, the more the pixel attends to it.
    """
    height, width = picture.shape[:2]
    shrunk = min(1.0, LONGEST_PX / max(width, height))
    size = max(1, round(width * shrunk)), max(1, round(height * shrunk))
    sheet = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
    light = np.ones((size[1], size[0]), np.float32)
    most = float(explanation.attention.max()) if explanation.attention.size else 1.0
    boxes = [_box(p, shrunk, size) for p in explanation.contexts]
    for left, top, right, bottom in boxes:
        light[top:bottom, left:right] = DIMMED
    side = max(1, round(explanation.patch.side * shrunk))
    for (left, top, right, bottom), weights in zip(boxes, explanation.attention, strict=True):
        small = Image.fromarray(np.sqrt(weights / max(most, 1e-12)).astype(np.float32))
        large = np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))
        here = light[top:bottom, left:right]
        shown = large[: here.shape[0], : here.shape[1]]
        here = here[: shown.shape[0], : shown.shape[1]]
        np.maximum(here, DIMMED + (2 - DIMMED) * shown, out=here)
    lit = np.where(
        light[..., None] <= 1,
        sheet * light[..., None],
        255 - (255 - sheet.astype(np.float32)) * np.maximum(2 - light[..., None], 0),
    )
    drawing = Image.fromarray(np.rint(lit).astype(np.uint8))
    pen = ImageDraw.Draw(drawing)
    wide = max(2, round(max(size) / 400))
    for box in boxes:
        pen.rectangle(_outline(box), outline=RED, width=wide)
    pen.rectangle(_outline(_box(explanation.patch, shrunk, size)), outline=GREEN, width=wide)
    x, y = (n * shrunk for n in explanation.pixel)
    radius = 4 * wide
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=BLUE, width=wide)
    return np.asarray(drawing)


def _box(patch: Patch, shrunk: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom, in the drawing, of the part of a patch inside the picture."""
    corners = (patch.left, patch.top, patch.left + patch.side, patch.top + patch.side)
    left, top, right, bottom = (round(n * shrunk) for n in corners)
    return left, top, min(right, size[0]), min(bottom, size[1])


def _outline(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return left, top, max(left, right - 1), max(top, bottom - 1)
