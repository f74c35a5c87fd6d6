"""Training samples and batches: scenes cut as the network is used."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from edgematte.training.augment import BILINEAR, Box, degrade
from edgematte.training.scenes import composite_scene, make_scene
from edgematte.training.sources import Library

Rng = np.random.Generator
Plane = NDArray[np.uint8]

FUSED, GIVEN = 0.7, 0.15  # shares of the samples; the rest is split
MAX_CANVAS_PX = 1024
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Sample:
    """What one training step shows of one scene.

    `image` (S, S, 3), `alpha`, `known` (S, S): the whole scene, for SN; uint8, `known` 0 or 255.
    `crop_image`, `crop_alpha`, `crop_known`: what MRN sees, the same when fused.
    `box`: left, top, right, bottom of the crop as fractions of the scene.
    `given_px`: MRN is given a true trimap grown by this radius in place of SN's probabilities;
    -1 where it is not.
    """

    image: Plane
    alpha: Plane
    known: Plane
    crop_image: Plane
    crop_alpha: Plane
    crop_known: Plane
    box: Box
    given_px: int


def _arrays(
    image: Image.Image, alpha: Image.Image, known: Image.Image
) -> tuple[Plane, Plane, Plane]:
    return np.asarray(image), np.asarray(alpha), np.asarray(known)


def make_sample(rng: Rng, library: Library, side_px: int) -> Sample:
    """One sample: fused (MRN sees what SN saw), split (a crop, SN's), or with a given trimap."""
    mode = rng.random()
    if mode < FUSED:
        scene = make_scene(rng, library, side_px)
        whole = _arrays(degrade(rng, scene.image), scene.alpha, scene.known)
        return Sample(*whole, *whole, WHOLE, -1)
    largest = max(1.25, min(3.0, MAX_CANVAS_PX / side_px))
    canvas_px = round(side_px * rng.uniform(1.25, largest))
    scene = composite_scene(rng, library, canvas_px)
    image = degrade(rng, scene.image)
    size = (side_px, side_px)
    whole = _arrays(
        image.resize(size, BILINEAR), scene.alpha.resize(size, BILINEAR), Image.new("L", size, 255)
    )
    alpha = np.asarray(scene.alpha)
    ys, xs = np.nonzero((alpha > 5) & (alpha < 250))
    if len(ys):
        pick = int(rng.integers(len(ys)))
        y, x = int(ys[pick]), int(xs[pick])
    else:
        y, x = (int(v) for v in rng.integers(0, canvas_px, 2))
    left, top = (min(max(v - side_px // 2, 0), canvas_px - side_px) for v in (x, y))
    box = (left, top, left + side_px, top + side_px)
    crop = _arrays(image.crop(box), scene.alpha.crop(box), scene.known.crop(box))
    fractions = (box[0] / canvas_px, box[1] / canvas_px, box[2] / canvas_px, box[3] / canvas_px)
    given = int(rng.integers(1, 13)) if mode < FUSED + GIVEN else -1
    return Sample(*whole, *crop, fractions, given)


class Samples(Dataset[Sample]):
    """Endless samples by index; the same seed, index and library give the same sample."""

    def __init__(self, library: Library, side_px: int, seed: int) -> None:
        self.library, self.side_px, self.seed = library, side_px, seed

    def __getitem__(self, index: int) -> Sample:
        """The sample of this index."""
        return make_sample(np.random.default_rng((self.seed, index)), self.library, self.side_px)


@dataclass(frozen=True)
class Batch:
    """Samples as float tensors in [0, 1]: images (B, 3, S, S), planes (B, 1, S, S)."""

    image: Tensor
    alpha: Tensor
    known: Tensor
    crop_image: Tensor
    crop_alpha: Tensor
    crop_known: Tensor
    box: Tensor
    given_px: list[int]


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size."""

    def images(arrays: Sequence[Plane]) -> Tensor:
        stacked = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
        return stacked.float().div_(255)

    def planes(arrays: Sequence[Plane]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).unsqueeze(1).float().div_(255)

    return Batch(
        image=images([s.image for s in samples]),
        alpha=planes([s.alpha for s in samples]),
        known=planes([s.known for s in samples]),
        crop_image=images([s.crop_image for s in samples]),
        crop_alpha=planes([s.crop_alpha for s in samples]),
        crop_known=planes([s.crop_known for s in samples]),
        box=torch.tensor([s.box for s in samples]),
        given_px=[s.given_px for s in samples],
    )
