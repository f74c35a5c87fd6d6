"""Mattes by what is scored: the lightweight net in PyTorch, or any bundle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from edgematte.checkpoint import load_model
from edgematte.errors import OptionError
from edgematte.manifest import FILE
from edgematte.metrics import unknown_region
from edgematte.models.lightweight.network import Lightweight
from edgematte.nets import find
from edgematte.runtime.load import load
from edgematte.runtime.matter import Matter

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


class Scored(Protocol):
    """What is scored. Alphas are float32 (H, W) in [0, 1], of the picture's size."""

    def whole(self, image: Image.Image) -> Alpha | None:
        """Alpha of a picture alone; None for a net that needs a trimap."""

    def given(self, image: Image.Image, trimap: NDArray[np.uint8]) -> Alpha | None:
        """Alpha with a trimap (H, W); None for a net that takes none."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights of the lightweight net, run by PyTorch."""

    model: Lightweight

    def whole(self, image: Image.Image) -> Alpha:
        """See :class:`Scored`."""
        return matte_whole(self.model, image)

    def given(self, image: Image.Image, trimap: NDArray[np.uint8]) -> Alpha:
        """See :class:`Scored`."""
        return matte_given(self.model, image, trimap)

    def logits(self, image: Image.Image) -> Alpha:
        """Logits of the classes (3, 512, 512), of the whole picture stretched to a square."""
        square = image.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
        found = self.model.logits(_tensor(square))[0]
        return np.asarray(found.numpy())


@dataclass(frozen=True)
class Exported:
    """A bundle of any net, run as its users run it."""

    matter: Matter

    def whole(self, image: Image.Image) -> Alpha | None:
        """See :class:`Scored`."""
        try:
            return self.matter(np.asarray(image.convert("RGB"))).alpha
        except OptionError:
            return None

    def given(self, image: Image.Image, trimap: NDArray[np.uint8]) -> Alpha | None:
        """See :class:`Scored`."""
        try:
            return self.matter(np.asarray(image.convert("RGB")), trimap).alpha
        except OptionError:
            return None


def scored(path: Path) -> Scored:
    """What lies at a path: a bundle, or a checkpoint of the lightweight net.

    Raises:
        BundleError, CheckpointError: it can be read as neither.
    """
    if (path / FILE).is_file():
        return Exported(load(path))
    model, _ = load_model(find("lightweight"), path)
    assert isinstance(model, Lightweight)
    return Checkpoint(model)
