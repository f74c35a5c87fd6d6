"""What cuts on patches share: torch's own crop, and what records of their host steps start from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edgematte.check.goldens import to_bytes
from edgematte.runtime.patches import Patch


def crop_planes(planes: Tensor, patch: Patch) -> Tensor:
    """Planes (B, C, H, W) -> a patch (B, C, side, side), reflected beyond the border by torch."""
    part = planes[:, :, patch.top :, patch.left :][:, :, : patch.side, : patch.side]
    right, bottom = patch.side - part.shape[3], patch.side - part.shape[2]
    while right or bottom:  # torch reflects at most side - 1 pixels at once
        step_x = min(right, part.shape[3] - 1)
        step_y = min(bottom, part.shape[2] - 1)
        part = F.pad(part, (0, step_x, 0, step_y), mode="reflect")
        right, bottom = right - step_x, bottom - step_y
    return part


def patch_input(name: str, pool: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """An array that no host step gives: a patch to crop, or alphas to stitch."""
    boxes = pool["patches"]
    if name == "patch":
        chosen: NDArray[Any] = boxes[int(np.argmax(pool["refined"]))]
        return chosen
    assert name == "alphas"
    return blended_alphas(len(boxes), (int(boxes[0][2]), int(boxes[0][2])))


def blended_alphas(count: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """So many alphas to stitch, (width, height) each, as bytes.

    They are smooth and differ from one to the next, so that blending shows.
    """
    across, down = (np.linspace(0, 1, n, dtype=np.float32) for n in size)
    planes = [np.add.outer(down * (i + 1), across[::-1]) % 1 for i in range(count)]
    return to_bytes(np.stack(planes))
