"""A query patch and the context patches of its picture, for HDMatt (sections 3.2 and 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from edgematte.training.pictures.augment import degrade, frame_any
from edgematte.training.pictures.crops import (
    LARGEST_BAND_PX,
    SCALES,
    crop_corner,
    random_trimap,
)
from edgematte.training.pictures.scenes import Scene, choose, composite_scene, photo_scene, pick
from edgematte.training.pictures.sources import Library
from edgematte.training.pictures.trimaps import one_hot

Rng = np.random.Generator
Plane = NDArray[np.uint8]

PICTURE_PX = 960
"""*Chosen*: crops of 320, 480 or 640 are taken from pictures with this side."""
CONTEXTS = 8  # *chosen*: number of patches among which the K best are chosen


@dataclass(frozen=True)
class Patches:
    """Patches of one scene, the query first; uint8, images (N + 1, S, S, 3), trimaps (N + 1, S, S).

    `alpha` (S, S), `foreground` and `background` (S, S, 3) are the query's.
    """

    image: Plane
    trimap: Plane
    alpha: Plane
    foreground: Plane
    background: Plane


def make_patches(rng: Rng, library: Library, side_px: int, contexts: int = CONTEXTS) -> Patches:
    """A query around an unknown pixel, and patches of the same scene at the same scale.

    All patches are cut from one trimap of the scene. *Chosen*: every other context is around an
    unknown pixel, too, and the rest are anywhere; contexts may overlap the query.
    """
    canvas_px = round(PICTURE_PX * side_px / int(rng.choice(SCALES)))
    scene = _scene(rng, library, canvas_px)
    alpha, known = np.asarray(scene.alpha), np.asarray(scene.known)
    largest_px = max(2, round(LARGEST_BAND_PX * side_px / SCALES[0]))
    trimap = random_trimap(rng, alpha, known, largest_px)
    image = np.asarray(degrade(rng, scene.image))
    corners = [crop_corner(rng, scene, side_px)]
    for i in range(contexts):
        left, top = (int(n) for n in rng.integers(0, canvas_px - side_px + 1, 2))
        corners.append((left, top) if i % 2 else crop_corner(rng, scene, side_px, wander=0.5))

    def cut(plane: Plane, corner: tuple[int, int]) -> Plane:
        return plane[corner[1] : corner[1] + side_px, corner[0] : corner[0] + side_px]

    return Patches(
        image=np.stack([cut(image, c) for c in corners]),
        trimap=np.stack([cut(trimap, c) for c in corners]),
        alpha=cut(alpha, corners[0]),
        foreground=cut(np.asarray(scene.foreground or scene.image), corners[0]),
        background=cut(np.asarray(scene.background or scene.image), corners[0]),
    )


def _scene(rng: Rng, library: Library, canvas_px: int) -> Scene:
    missing = () if library.pairs else ("pairs",)
    if choose(rng, {"composite": 0.8, "pairs": 0.2}, missing) == "pairs":
        photo = pick(rng, library.pairs)
        return photo_scene(rng, photo, frame_any(rng, photo.image.size, 0.5), canvas_px)
    return composite_scene(rng, library, canvas_px)


class PatchSamples(Dataset[Patches]):
    """Endless samples by index; the same seed, index and library give the same sample."""

    def __init__(self, library: Library, side_px: int, seed: int, contexts: int = CONTEXTS) -> None:
        self.library, self.side_px, self.seed = library, side_px, seed
        self.contexts = contexts

    def __getitem__(self, index: int) -> Patches:
        """The sample of this index."""
        rng = np.random.default_rng((self.seed, index))
        return make_patches(rng, self.library, self.side_px, self.contexts)


@dataclass(frozen=True)
class PatchBatch:
    """Samples as float tensors in [0, 1]; trimaps one-hot: background, foreground, unknown.

    `image`, `trimap`, `foreground`, `background` (B, 3, S, S), `alpha` (B, 1, S, S); contexts
    (B, N, 3, S, S).
    """

    image: Tensor
    trimap: Tensor
    alpha: Tensor
    foreground: Tensor
    background: Tensor
    context_images: Tensor
    context_trimaps: Tensor

    def to(self, device: torch.device) -> "PatchBatch":
        """The same batch on a device."""
        return PatchBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


def collate_patches(samples: Sequence[Patches]) -> PatchBatch:
    """Stack samples of one size."""

    def images(name: str) -> Tensor:
        stacked = np.stack([getattr(sample, name) for sample in samples])
        return torch.from_numpy(stacked).movedim(-1, -3).float() / 255

    pictures = images("image")
    trimaps = torch.from_numpy(np.stack([sample.trimap for sample in samples]))
    classes = one_hot(trimaps, (BACKGROUND, FOREGROUND, UNKNOWN))
    return PatchBatch(
        image=pictures[:, 0],
        trimap=classes[:, 0],
        alpha=torch.from_numpy(np.stack([s.alpha for s in samples]))[:, None].float() / 255,
        foreground=images("foreground"),
        background=images("background"),
        context_images=pictures[:, 1:],
        context_trimaps=classes[:, 1:],
    )
