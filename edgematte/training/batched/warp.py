"""Parts of resident pictures, framed, turned and placed: one bilinear look-up for a batch."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edgematte.training.batched.resident import Shelf
from edgematte.training.pictures.augment import Box

Matrix = NDArray[np.float64]
MIRROR: Matrix = np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]])


@dataclass(frozen=True)
class View:
    """A picture's row and the matrix (3, 3) from the output's square to the picture's.

    Both squares reach from -1 to 1, as in `torch.nn.functional.affine_grid`.
    """

    row: int
    matrix: Matrix


def framed(box: Box, size: tuple[float, float], *, mirrored: bool = False) -> Matrix:
    """The matrix that fills the output with a box (left, top, right, bottom) of a picture."""
    (left, top, right, bottom), (width, height) = box, size
    across, down = (right - left) / width, (bottom - top) / height
    middle_x, middle_y = (left + right) / width - 1, (top + bottom) / height - 1
    matrix: Matrix = np.array([[across, 0, middle_x], [0, down, middle_y], [0, 0, 1]])
    return matrix @ MIRROR if mirrored else matrix


def placed(
    middle: tuple[float, float],
    size: tuple[float, float],
    *,
    angle_deg: float = 0.0,
    shear: float = 0.0,
    mirrored: bool = False,
) -> Matrix:
    """The matrix that shows a whole picture in a part of the output.

    `middle` and `size` (width, height) are shares of the output's side; the picture is mirrored,
    sheared sideways, then turned.
    """
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    forward = turn @ np.array([[1, shear], [0, 1]]) @ np.diag(size)
    matrix: Matrix = np.eye(3)
    matrix[:2, :2] = np.linalg.inv(forward)
    matrix[:2, 2] = -matrix[:2, :2] @ (2 * np.array(middle) - 1)
    return MIRROR @ matrix if mirrored else matrix


def look(shelf: Shelf, views: list[View], side_px: int) -> Tensor:
    """The views as float (B, C, side_px, side_px) in [0, 1]; zero beyond a picture's border.

    A picture that is shown small is looked up in a smaller copy of it, so that no pixels are
    skipped.
    """
    device = shelf.levels[0].device
    own_px = shelf.levels[0].shape[-1]
    per_pixel = [np.abs(np.linalg.det(v.matrix[:2, :2])) ** 0.5 * own_px / side_px for v in views]
    levels = np.clip(np.log2(np.maximum(per_pixel, 1e-6)).round(), 0, len(shelf.levels) - 1)
    shape = (len(views), shelf.levels[0].shape[1], side_px, side_px)
    seen = torch.empty(shape, device=device)
    for level, pixels in enumerate(shelf.levels):
        of_level = [i for i, chosen in enumerate(levels) if int(chosen) == level]
        if not of_level:
            continue
        at = torch.tensor(of_level, device=device)
        rows = torch.tensor([views[i].row for i in of_level], device=device)
        matrices = np.stack([views[i].matrix[:2] for i in of_level]).astype(np.float32)
        theta = torch.from_numpy(matrices).to(device)
        grid = F.affine_grid(theta, [len(of_level), *shape[1:]], align_corners=False)
        chosen = pixels[rows].float() / 255
        seen[at] = F.grid_sample(chosen, grid, padding_mode="zeros", align_corners=False)
    return seen
