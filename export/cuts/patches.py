"""What cuts on patches share: cropping by torch, and made-up inputs for recorded host steps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edgematte.check.goldens import to_bytes
from edgematte.runtime.host.patches import Patch


def crop_planes(planes: Tensor, patch: Patch) -> Tensor:
    """Planes (B, C, H, W) -> a patch (B, C, side, side), reflected by torch beyond the border."""
    below = patch.top + patch.side - planes.shape[2]
    right = patch.left + patch.side - planes.shape[3]
    planes = reflect(planes, (max(0, right), max(0, below)))
    return planes[:, :, patch.top :, patch.left :][:, :, : patch.side, : patch.side]


def reflect(planes: Tensor, more: tuple[int, int]) -> Tensor:
    """Planes (B, C, H, W) with ``more`` (columns, rows), reflected on the right and below.

    A single column or row cannot be reflected and is repeated.
    """
    right, below = more
    if right and planes.shape[3] == 1:
        return reflect(planes.expand(-1, -1, -1, 1 + right), (0, below))
    if below and planes.shape[2] == 1:
        return reflect(planes.expand(-1, -1, 1 + below, -1), (right, 0))
    while right or below:  # torch reflects at most side - 1 pixels in one call
        now = min(right, planes.shape[3] - 1), min(below, planes.shape[2] - 1)
        planes = F.pad(planes, (0, now[0], 0, now[1]), mode="reflect")
        right, below = right - now[0], below - now[1]
    return planes


def patch_input(name: str, pool: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Make up an array that no host step gives: a patch to crop, or alphas to stitch."""
    boxes = pool["patches"]
    if name == "patch":
        chosen: NDArray[Any] = boxes[int(np.argmax(pool["refined"]))]
        return chosen
    assert name == "alphas"
    return blended_alphas(len(boxes), (int(boxes[0][2]), int(boxes[0][2])))


def blended_alphas(count: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """``count`` alphas to stitch, as bytes; ``size`` of each is (width, height).

    They are smooth and differ from one to the next, so that blending shows.
    """
    across, down = (np.linspace(0, 1, n, dtype=np.float32) for n in size)
    planes = [np.add.outer(down * (i + 1), across[::-1]) % 1 for i in range(count)]
    return to_bytes(np.stack(planes))
