"""What a patch looked at to find the alpha of one pixel, and a drawing of it (HDMatt, Fig. 7)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgematte.errors import OptionError
from edgematte.runtime.context_bank import ContextBank
from edgematte.runtime.contexts import window
from edgematte.runtime.patches import Patch
from edgematte.runtime.trimap import UNKNOWN

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

GREEN, RED, BLUE = (0, 200, 0), (230, 30, 30), (40, 90, 255)
LONGEST_PX = 1600  # of a drawing's side
DIMMED = 0.45  # contexts, where there is no attention


@dataclass(frozen=True)
class Explanation:
    """A pixel, the patch that its alpha was found in, and that patch's contexts, the best first."""

    pixel: tuple[int, int]  # x, y
    patch: Patch
    contexts: tuple[Patch, ...]
    attention: Floats  # (contexts, h, w), at 1/8: weights of eq. 3, each of its own region


def pixel_to_explain(trimap: Bytes, patches: Sequence[Patch]) -> tuple[int, int]:
    """The unknown pixel nearest to the middle of the patch that has most of them: x, y.

    Raises:
        OptionError: no pixel is unknown.
    """
    counts = [int((window(trimap, p) == UNKNOWN).sum()) for p in patches]
    patch = patches[int(np.argmax(counts))]
    y, x = np.nonzero(window(trimap, patch) == UNKNOWN)
    if not len(y):
        raise OptionError("the trimap has no unknown pixel, so that there is nothing to explain")
    nearest = int(np.argmin(np.hypot(y - patch.side / 2, x - patch.side / 2)))
    return patch.left + int(x[nearest]), patch.top + int(y[nearest])


def patch_of(pixel: tuple[int, int], trimap: Bytes, patches: Sequence[Patch]) -> int:
    """Number of the patch with unknown pixels in whose middle the pixel lies most.

    Raises:
        OptionError: the pixel is not unknown, or not in the picture.
    """
    x, y = pixel
    inside = 0 <= x < trimap.shape[1] and 0 <= y < trimap.shape[0]
    if not inside or trimap[y, x] != UNKNOWN:
        raise OptionError(f"the pixel {x},{y} is not unknown in the trimap: its alpha is known")
    depths = [
        min(x - p.left, p.left + p.side - 1 - x, y - p.top, p.top + p.side - 1 - y) for p in patches
    ]
    return int(np.argmax(depths))


def explain(bank: ContextBank, number: int, pixel: tuple[int, int]) -> Explanation:
    """Contexts of a patch, and how much the pixel attends to each of their places."""
    image, trimap = bank.planes(number)
    query, key, _ = bank.features(number, image, trimap)
    chosen = bank.choose(number, query)
    patch = bank.patches[number]
    stride = patch.side // key.shape[2]
    row, column = (pixel[1] - patch.top) // stride, (pixel[0] - patch.left) // stride
    keys = np.concatenate([bank.store.get(n, "key") for n in chosen.tolist()] or [key[:0]])
    masks = None
    if "mask" in bank.store.names and len(chosen):
        masks = np.concatenate([bank.store.get(n, "mask") for n in chosen.tolist()])
    weights = attention(key[0, :, row, column], keys, masks)
    return Explanation(pixel, patch, tuple(bank.patches[n] for n in chosen.tolist()), weights)


def attention(query: Floats, keys: Floats, masks: Floats | None) -> Floats:
    """The softmax of eq. 3 for one unknown pixel: (K, h, w), each place's weight in its own region.

    Args:
        query: (C,), the pixel's key.
        keys: (K, C, h, w).
        masks: (K, 3, h, w), one-hot classes; None: without trimap guidance.
    """
    logits: Floats = np.einsum("c,kchw->khw", query, keys)
    if not logits.size:
        return logits
    if masks is None:
        return _softmax(logits)
    found: Floats = np.zeros_like(logits)
    for region in range(masks.shape[1]):
        inside = masks[:, region]
        found += _softmax(logits * inside) * inside
    return found


def _softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits - logits.max())
    powers /= powers.sum()
    return powers


def draw(explanation: Explanation, picture: Bytes) -> Bytes:
    """The picture, at most 1600 pixels long: query patch green, contexts red, the pixel blue.

    Contexts are dimmed; the brighter a place, the more the pixel attends to it.
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
    """Left, top, right, bottom of the part of a patch that is in the picture, in the drawing."""
    corners = (patch.left, patch.top, patch.left + patch.side, patch.top + patch.side)
    left, top, right, bottom = (round(n * shrunk) for n in corners)
    return left, top, min(right, size[0]), min(bottom, size[1])


def _outline(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return left, top, max(left, right - 1), max(top, bottom - 1)
