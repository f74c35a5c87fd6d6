"""DiffMatte by PyTorch alone: the training-time modules, a plain loop, torch's own padding."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edgematte.manifest import Host
from edgematte.models.diffmatte import DiffMatte
from edgematte.models.diffusion import sample
from edgematte.runtime.diffmatte_steps import SHARPNESS, one_hot, reduced_trimap, unknown_tiles
from edgematte.runtime.frame import frame_for
from edgematte.runtime.noise import noise
from edgematte.runtime.resize import resize_picture
from edgematte.runtime.trimap import BACKGROUND, FOREGROUND


@torch.no_grad()
def reference_steps(
    model: DiffMatte, host: Host, picture: NDArray[np.uint8], trimap: NDArray[np.uint8]
) -> list[NDArray[np.float32]]:
    """Alpha (H, W) after each step, of ``picture`` (H, W, 3) and ``trimap`` (H, W), uint8."""
    assert host.steps is not None and host.seed is not None
    frame = frame_for((picture.shape[1], picture.shape[0]), host.size)
    small = reduced_trimap(trimap, frame.used)  # bytes: compared elsewhere
    inside = resize_picture(picture, frame.used)
    image = torch.from_numpy(inside.copy()).permute(2, 0, 1)[None] / 255
    planes = torch.from_numpy(one_hot(small))[None]
    around = (0, host.size[0] - frame.used[0], 0, host.size[1] - frame.used[1])
    outside = 1 - F.pad(torch.ones_like(image[:, :1]), around)
    feature = model.encode(F.pad(image, around) + outside * model.mean, F.pad(planes, around))
    drawn = torch.from_numpy(noise(host.seed, *small.shape))[None, None]

    def denoise(noisy: Tensor, time: Tensor) -> Tensor:
        seen = F.pad(model.condition(image, planes, noisy), around)
        matte = _denoised(model, host, feature, seen, time, small)
        return matte[:, :, : frame.used[1], : frame.used[0]]

    found = []
    for matte in sample(denoise, drawn, host.steps):
        alpha = (matte + 1) / 2
        if frame.used != frame.picture:
            shape = frame.picture[1], frame.picture[0]
            alpha = F.interpolate(alpha, shape, mode="bilinear", antialias=True)
        result = np.asarray(alpha[0, 0].clamp(0, 1).numpy(), np.float32).copy()
        result[trimap == BACKGROUND] = 0
        if host.clamp_foreground:
            result[trimap == FOREGROUND] = 1
        found.append(result)
    return found


def _denoised(
    model: DiffMatte,
    host: Host,
    feature: Tensor,
    condition: Tensor,
    time: Tensor,
    trimap: NDArray[np.uint8],
) -> Tensor:
    """x_0 (1, 1, H, W) of the frame; in the tiles cut the weighted mean of theirs."""
    if host.cut == "whole":
        return model.denoise(feature, condition, time)
    assert host.patch is not None and host.overlap is not None
    width, height = host.size
    side, scale = host.patch, model.stride
    total, weight = torch.zeros(2, height, width, dtype=torch.float64)
    for tile in unknown_tiles(trimap, host):
        rows, columns = (slice(n, n + side) for n in (tile.top, tile.left))
        part = feature[
            :,
            :,
            tile.top // scale : (tile.top + side) // scale,
            tile.left // scale : (tile.left + side) // scale,
        ]
        matte = model.denoise(part, condition[:, :, rows, columns], time)[0, 0]
        distance = torch.full((side, side), float(max(host.overlap, 1)))
        place = torch.arange(side) + 0.5
        for inner, away in (
            (tile.top > 0, place[:, None]),
            (tile.left > 0, place),
            (tile.top + side < height, side - place[:, None]),
            (tile.left + side < width, side - place),
        ):
            if inner:
                distance = torch.minimum(distance, away)
        window = (distance / distance.max()) ** SHARPNESS
        total[rows, columns] += matte * window
        weight[rows, columns] += window
    known = torch.full((height, width), -1.0, dtype=torch.float64)
    foreground = torch.from_numpy(trimap == FOREGROUND)
    known[: trimap.shape[0], : trimap.shape[1]][foreground] = 1
    return torch.where(weight > 0, total / weight, known).float()[None, None]
