"""DiffMatte by PyTorch alone: training-time modules in a plain loop, with torch's own padding."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edgematte.models.diffmatte.diffusion import sample
from edgematte.models.diffmatte.network import DiffMatte
from edgematte.runtime.host.patches import Patch
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from edgematte.runtime.nets.diffmatte.frames import frames, used_frame
from edgematte.runtime.nets.diffmatte.host import DiffusionHost, TilesHost
from edgematte.runtime.nets.diffmatte.noise import noise
from edgematte.runtime.nets.diffmatte.planes import (
    SHARPNESS,
    known_matte,
    one_hot,
    reduced_trimap,
    unknown_tiles,
)


@torch.no_grad()
def reference_steps(
    model: DiffMatte, host: DiffusionHost, picture: NDArray[np.uint8], trimap: NDArray[np.uint8]
) -> list[NDArray[np.float32]]:
    """Alpha (H, W) after each step, for ``picture`` (H, W, 3) and ``trimap`` (H, W), both uint8."""
    host = host.for_picture((picture.shape[1], picture.shape[0]))
    frame = used_frame((picture.shape[1], picture.shape[0]), host)
    small = reduced_trimap(trimap, frame.used)  # by the host: its bytes are compared elsewhere
    inside = resize_picture(picture, frame.used)
    image = torch.from_numpy(inside.copy()).permute(2, 0, 1)[None] / 255
    planes = torch.from_numpy(one_hot(small))[None]
    drawn = torch.from_numpy(noise(host.seed, *small.shape))[None, None]
    places = frames(small, host)
    parts = [_part(model, host, image, planes, place) for place in places]

    def denoise(noisy: Tensor, time: Tensor) -> Tensor:
        seen = model.condition(image, planes, noisy)
        total, weight = torch.zeros(2, *small.shape, dtype=torch.float64)
        for place, (feature, around) in zip(places, parts, strict=True):
            rows, columns = _inside(place, small.shape)
            part = small[rows, columns]
            height, width = part.shape
            if len(places) > 1 and not (part == UNKNOWN).any():
                matte = torch.from_numpy(known_matte(part))
            else:
                padded = F.pad(seen[:, :, rows, columns], around)
                matte = _denoised(model, host, feature, padded, time, part)[0, 0]
            sides = (place.top, place.left, host.size[1], host.size[0])
            window = _taper(sides, small.shape, host.context or 1)[:height, :width]
            total[rows, columns] += window * matte[:height, :width]
            weight[rows, columns] += window
        joined: Tensor = (total / weight).float()[None, None]
        return joined

    alphas = []
    for matte in sample(denoise, drawn, host.steps):
        alpha = (matte + 1) / 2
        if frame.used != frame.picture:
            shape = frame.picture[1], frame.picture[0]
            alpha = F.interpolate(alpha, shape, mode="bilinear", antialias=True)
        result = np.asarray(alpha[0, 0].clamp(0, 1).numpy(), np.float32).copy()
        result[trimap == BACKGROUND] = 0
        if host.clamp_foreground:
            result[trimap == FOREGROUND] = 1
        alphas.append(result)
    return alphas


def _part(
    model: DiffMatte, host: DiffusionHost, image: Tensor, planes: Tensor, place: Patch
) -> tuple[Tensor, tuple[int, int, int, int]]:
    """The encoder's map of a frame, and the frame's padding: left, right, above, below."""
    rows, columns = _inside(place, tuple(image.shape[2:]))
    shown = image[:, :, rows, columns]
    around = (0, host.size[0] - shown.shape[3], 0, host.size[1] - shown.shape[2])
    outside = 1 - F.pad(torch.ones_like(shown[:, :1]), around)
    colour = F.pad(shown, around) + outside * model.mean
    return model.encode(colour, F.pad(planes[:, :, rows, columns], around)), around


def _inside(place: Patch, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows = slice(place.top, min(place.top + place.height, shape[0]))
    return rows, slice(place.left, min(place.left + place.side, shape[1]))


def _taper(sides: tuple[int, int, int, int], shape: tuple[int, ...], margin: int) -> Tensor:
    """Blending weights of a part (top, left, height, width) of (H, W); lower towards neighbours."""
    top, left, height, width = sides
    down, across = torch.arange(height)[:, None] + 0.5, torch.arange(width)[None] + 0.5
    distance = torch.full((height, width), float(max(margin, 1)))
    for inner, away in (
        (top > 0, down),
        (left > 0, across),
        (top + height < shape[0], height - down),
        (left + width < shape[1], width - across),
    ):
        if inner:
            distance = torch.minimum(distance, away)
    return (distance / max(margin, 1)) ** SHARPNESS


def _denoised(
    model: DiffMatte,
    host: DiffusionHost,
    feature: Tensor,
    condition: Tensor,
    time: Tensor,
    trimap: NDArray[np.uint8],
) -> Tensor:
    """x_0 (1, 1, height, width) of a frame; in the tiles cut blended from its tiles."""
    if not isinstance(host, TilesHost):
        return model.denoise(feature, condition, time)
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
        sides = (tile.top, tile.left, side, side)
        window = _taper(sides, (height, width), host.overlap)
        total[rows, columns] += matte * window
        weight[rows, columns] += window
    known = torch.full((height, width), -1.0, dtype=torch.float64)
    foreground = torch.from_numpy(trimap == FOREGROUND)
    known[: trimap.shape[0], : trimap.shape[1]][foreground] = 1
    return torch.where(weight > 0, total / weight, known).float()[None, None]
