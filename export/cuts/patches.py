"""What cuts on patches share: cropping by torch, and made-up inputs for recorded host steps."""

from torch import Tensor
from torch.nn import functional as F

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
