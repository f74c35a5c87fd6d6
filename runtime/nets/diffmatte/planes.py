"""Host steps of DiffMatte: making the inputs of the graphs, and alpha from their outputs."""

from collections.abc import Sequence

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.imagenet import IMAGENET_MEAN, IMAGENET_STD
from edgematte.runtime.host.cover import cover
from edgematte.runtime.host.frame import Frame, from_frame
from edgematte.runtime.host.patches import Patch, blend_window
from edgematte.runtime.host.resize import resize_planes
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from edgematte.runtime.nets.diffmatte.diffusion import clamped
from edgematte.runtime.nets.diffmatte.host import DiffusionHost, TilesHost

MEAN = np.array(IMAGENET_MEAN, np.float32)[:, None, None]
STD = np.array(IMAGENET_STD, np.float32)[:, None, None]
SHARPNESS = 4  # *chosen*: with 1 tiles differ three times as much from the whole frame's answer
SURE = 0.999  # from here on a reduced pixel is wholly of a class; rounding can make 1 less


def reduced_trimap(trimap: Bytes, size: tuple[int, int]) -> Bytes:
    """Trimap (H, W) -> (height, width); ``size`` is (width, height).

    A reduced pixel is known where all pixels that are averaged into it are of one known class. The
    filter is the one that pictures are reduced with.
    """
    if (trimap.shape[1], trimap.shape[0]) == size:
        return trimap
    planes = np.stack([trimap == BACKGROUND, trimap == FOREGROUND]).astype(np.float32)
    background, foreground = resize_planes(planes, size)
    reduced = np.full(background.shape, UNKNOWN, np.uint8)
    reduced[background > SURE] = BACKGROUND
    reduced[foreground > SURE] = FOREGROUND
    return reduced


def one_hot(trimap: Bytes) -> Floats:
    """Trimap (h, w) -> one-hot planes (3, h, w): background, unknown, foreground."""
    known = trimap == BACKGROUND, trimap == FOREGROUND
    return np.stack([known[0], ~(known[0] | known[1]), known[1]]).astype(np.float32)


def encoder_inputs(framed: Bytes, trimap: Bytes, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Picture (h, w, 3) and trimap (h, w) -> graph inputs (1, 3, height, width).

    Both lie at the top left of ``size`` (width, height). The padding of the picture has ImageNet's
    mean colour, which normalisation turns to zero; that of the trimap is of no class.
    """
    height, width = trimap.shape
    image = np.empty((1, 3, size[1], size[0]), np.float32)
    image[0] = MEAN
    image[0, :, :height, :width] = framed.transpose(2, 0, 1) * np.float32(1 / 255)
    planes = np.zeros_like(image)
    planes[0, :, :height, :width] = one_hot(trimap)
    return image, planes


def condition(framed: Bytes, trimap: Bytes, size: tuple[int, int]) -> Floats:
    """The denoiser's condition (1, 7, height, width), without the noisy matte.

    Picture (h, w, 3) and trimap (h, w) at the top left of ``size`` (width, height): planes 0 to 2
    are 2 RGB - 1, normalised by ImageNet's mean and deviation; 3 to 5 are 2 one-hot - 1. Plane 6 is
    for the noisy matte and still zero, and so is the padding of all planes.
    """
    height, width = trimap.shape
    planes = np.zeros((1, 7, size[1], size[0]), np.float32)
    image = framed.transpose(2, 0, 1) * np.float32(1 / 255)
    planes[0, :3, :height, :width] = 2 * ((image - MEAN) / STD) - 1
    planes[0, 3:6, :height, :width] = 2 * one_hot(trimap) - 1
    return planes


def alpha_of(matte: Floats, trimap: Bytes, frame: Frame, host: DiffusionHost) -> Floats:
    """x_0 (h, w) and the picture's trimap (H, W) -> alpha (H, W) in [0, 1].

    Alpha is 0 where the trimap is background, as the authors have it, and with
    ``clamp_foreground`` 1 where it is foreground; ``keep_known`` asks for both or for neither.
    """
    alpha = from_frame((clamped(matte) + 1) * np.float32(0.5), frame)
    if host.keep_known is not False:
        alpha[trimap == BACKGROUND] = 0
    if host.clamp_foreground if host.keep_known is None else host.keep_known:
        alpha[trimap == FOREGROUND] = 1
    return alpha


def unknown_tiles(trimap: Bytes, host: TilesHost) -> list[Patch]:
    """The tiles of a frame that the denoiser runs on; ``trimap`` (h, w) lies at its top left."""
    unknown = np.zeros((host.size[1], host.size[0]), np.bool_)
    unknown[: trimap.shape[0], : trimap.shape[1]] = trimap == UNKNOWN
    return cover(unknown, host.patch, host.overlap, host.feature_px)


def tile_inputs(
    feature: Floats, condition: Floats, tile: Patch, host: TilesHost
) -> dict[str, Floats]:
    """A tile's part of the feature (1, C, h, w) and of the condition (1, 7, H, W)."""
    top, left, side = (n // host.feature_px for n in (tile.top, tile.left, tile.side))
    return {
        "feature": np.ascontiguousarray(feature[:, :, top : top + side, left : left + side]),
        "condition": np.ascontiguousarray(
            condition[:, :, tile.top : tile.top + tile.side, tile.left : tile.left + tile.side]
        ),
    }


def stitched(
    tiles: Sequence[Patch], mattes: Sequence[Floats], trimap: Bytes, host: TilesHost
) -> Floats:
    """Blend the x_0 (side, side) of the tiles; outside of the tiles x_0 follows from the trimap.

    Weights are those of HDMatt's eq. 5 to the fourth power; eq. 6 blends by them. A tile's
    convolutions see zeros beyond its border, so that values near the border should count little.

    Returns:
        x_0 (h, w) of the picture, in [-1, 1].
    """
    width, height = host.size
    total, weight = np.zeros((2, height, width), np.float32)
    for tile, matte in zip(tiles, mattes, strict=True):
        window = blend_window(tile, host.size, host.overlap) ** SHARPNESS
        part = np.s_[tile.top : tile.top + tile.side, tile.left : tile.left + tile.side]
        total[part] += window * matte
        weight[part] += window
    total, weight = (plane[: trimap.shape[0], : trimap.shape[1]] for plane in (total, weight))
    known = known_matte(trimap)
    inside = weight > 0
    np.divide(total, weight, out=known, where=inside)
    return known


def known_matte(trimap: Bytes) -> Floats:
    """x_0 (h, w) from the trimap alone: 1 where it is foreground, -1 elsewhere."""
    return np.where(trimap == FOREGROUND, np.float32(1), np.float32(-1))
