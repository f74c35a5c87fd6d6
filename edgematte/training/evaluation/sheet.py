"""Contact sheets: small pictures in rows, for a person to look at."""

from collections.abc import Collection, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

GAP_PX = 4


def tile(picture: Image.Image, side_px: int) -> Image.Image:
    """The picture fitted into a grey square, its proportions kept."""
    scale = side_px / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    square = Image.new("RGB", (side_px, side_px), (128, 128, 128))
    fitted = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    square.paste(fitted, ((side_px - width) // 2, (side_px - height) // 2))
    return square


def contact_sheet(rows: Sequence[Sequence[Image.Image]], side_px: int) -> Image.Image:
    """Rows of pictures as tiles of `side_px` on white; rows may differ in length."""
    step = side_px + GAP_PX
    size = (step * max(map(len, rows)) + GAP_PX, step * len(rows) + GAP_PX)
    sheet = Image.new("RGB", size, (255, 255, 255))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(tile(picture, side_px), (x * step + GAP_PX, y * step + GAP_PX))
    return sheet


def picture_of(plane: Tensor) -> Image.Image:
    """(1 or 3, H, W) in [0, 1] -> a grey or RGB picture."""
    values = plane.detach().float().cpu().clamp(0, 1).permute(1, 2, 0).numpy()
    return Image.fromarray((values * 255 + 0.5).astype(np.uint8).squeeze())


def sheet_of(planes: Collection[Tensor], side_px: int) -> Image.Image:
    """A row for each sample of a batch, a tile for each of its planes (B, 1 or 3, H, W)."""
    rows = zip(*(map(picture_of, plane) for plane in planes), strict=True)
    return contact_sheet(list(rows), side_px)
