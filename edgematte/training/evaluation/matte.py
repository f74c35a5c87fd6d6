"""Mattes by the lightweight net in PyTorch, as training and evaluation look at it."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from edgematte.metrics import unknown_region
from edgematte.models.lightweight.network import Lightweight

Alpha = NDArray[np.float32]
SIDE_PX = 512


def _tensor(image: Image.Image) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return pixels.permute(2, 0, 1)[None].float() / 255


def matte_whole(model: Lightweight, image: Image.Image, side_px: int = SIDE_PX) -> Alpha:
    """Alpha (H, W) of the whole picture stretched to a square and back."""
    square = image.convert("RGB").resize((side_px, side_px), Image.Resampling.BILINEAR)
    alpha = model(_tensor(square))[0]
    size = (image.height, image.width)
    full = F.interpolate(alpha, size, mode="bilinear", align_corners=False, antialias=True)
    return np.asarray(full[0, 0].clamp(0, 1).numpy())


def matte_given(model: Lightweight, image: Image.Image, trimap: NDArray[np.uint8]) -> Alpha:
    """Alpha (H, W) at full size by MRN alone, with a given trimap in place of SN's answer."""
    classes = np.where(unknown_region(trimap), 2, np.where(trimap == 255, 1, 0))
    one_hot = F.one_hot(torch.from_numpy(classes), 3).permute(2, 0, 1)[None].float()
    height, width = classes.shape
    padding = (0, -width % 64, 0, -height % 64)
    picture = F.pad(_tensor(image), padding, mode="replicate")
    alpha = model.matte(picture, F.pad(one_hot, padding, mode="replicate"))
    return np.asarray(alpha[0, 0, :height, :width].clamp(0, 1).numpy())
