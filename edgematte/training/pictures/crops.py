"""Parts of scenes around unknown pixels, with trimaps, for nets that take a trimap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN, dilate
from edgematte.training.pictures.augment import BILINEAR, degrade, frame_any
from edgematte.training.pictures.ragged import ragged_scene
from edgematte.training.pictures.scenes import (
    Scene,
    choose,
    composite_scene,
    layered,
    photo_scene,
    pick,
)
from edgematte.training.pictures.sources import Library
from edgematte.training.pictures.trimaps import one_hot

Rng = np.random.Generator
Plane = NDArray[np.uint8]

SCALES = (320, 480, 640)  # sides of a crop when the net sees 512 (HDMatt, section 3.1)
TOLERANCE = 2  # of 255: a saved alpha this close to 0 or 1 counts as 0 or 1
LARGEST_BAND_PX = 25
# *Chosen*, for nets that learn from nothing else: shares of ragged scenes and of trimaps drawn
# roughly, and the largest radius of an unknown region of other and of rough ones, of a crop's side.
RAGGED, ROUGH = 0.4, 0.25
WIDE_BAND, ROUGH_BAND = 1 / 12, 1 / 5


def crop_corner(rng: Rng, scene: Scene, crop_px: int, wander: float = 0.0) -> tuple[int, int]:
    """Left and top of a crop around a pixel whose alpha is fractional or unknown, if any is.

    The pixel is in the middle of the crop, or off it by up to `wander` times the crop's side. At
    the scene's border it may be farther off.
    """
    alpha, known = np.asarray(scene.alpha), np.asarray(scene.known)
    ys, xs = np.nonzero(((alpha > 5) & (alpha < 250)) | (known == 0))
    limit = scene.alpha.width - crop_px
    if not len(ys):
        return int(rng.integers(limit + 1)), int(rng.integers(limit + 1))
    at = int(rng.integers(len(ys)))
    shift = crop_px * (0.5 + rng.uniform(-wander, wander, 2))
    left, top = int(xs[at] - shift[0]), int(ys[at] - shift[1])
    return min(max(left, 0), limit), min(max(top, 0), limit)


def zoom(rng: Rng, scene: Scene, side_px: int) -> Scene:
    """A square of the scene around an unknown pixel, at `side_px`.

    It is 320, 480 or 640 pixels wide if `side_px` is 512, otherwise in proportion. A composite is
    composed anew from its resized parts, so that it still is alpha F + (1 - alpha) B.
    """
    crop_px = round(int(rng.choice(SCALES)) * side_px / 512)
    crop_px = min(crop_px, scene.alpha.width)
    left, top = crop_corner(rng, scene, crop_px)
    box, size = (left, top, left + crop_px, top + crop_px), (side_px, side_px)
    known = scene.known.resize(size, BILINEAR, box=box).point([0] * 255 + [255])
    if scene.foreground is None or scene.background is None:
        image, alpha = (p.resize(size, BILINEAR, box=box) for p in (scene.image, scene.alpha))
        return Scene(image, alpha, known)
    subject = scene.foreground.copy()
    subject.putalpha(scene.alpha)
    subject = subject.resize(size, BILINEAR, box=box)  # resizes colours weighted by alpha
    foreground, alpha = subject.convert("RGB"), subject.getchannel("A")
    background = scene.background.resize(size, BILINEAR, box=box)
    return layered(foreground, alpha, background, known)


def random_trimap(rng: Rng, alpha: Plane, known: Plane, largest_px: int = LARGEST_BAND_PX) -> Plane:
    """The trimap of an alpha whose foreground and background are eroded by random radii.

    Args: alpha, known uint8 (H, W); both radii are 1 to `largest_px` (Chebyshev). Returns uint8
    (H, W): 0 background, 128 unknown, 255 foreground; unknown wherever `known` is 0.
    """
    doubt = known == 0
    radii = rng.integers(1, largest_px + 1, 2)
    no_foreground = dilate((alpha < 255 - TOLERANCE) | doubt, int(radii[0]))
    no_background = dilate((alpha > TOLERANCE) | doubt, int(radii[1]))
    trimap = np.where(no_foreground, np.uint8(BACKGROUND), np.uint8(FOREGROUND))
    trimap[no_foreground & no_background] = UNKNOWN
    return trimap


@dataclass(frozen=True)
class Crop:
    """A square picture with a trimap; all uint8, images (S, S, 3), planes (S, S).

    `composed`: image = alpha foreground + (1 - alpha) background, except for a camera's faults. If
    it is false, foreground and background both are the picture, a photograph.
    """

    image: Plane
    alpha: Plane
    trimap: Plane
    foreground: Plane
    background: Plane
    composed: bool


def make_crop(rng: Rng, library: Library, side_px: int, largest_px: int | None = None) -> Crop:
    """A crop around an unknown pixel of a composite, or of a photograph with its alpha.

    A quarter of the crops show the whole scene, as in papers that crop. `largest_px` is passed to
    `random_trimap`; by default it is 25 pixels for a crop of 512, and in proportion for others.
    """
    missing = () if library.pairs else ("pairs",)
    canvas_px = round(side_px * rng.uniform(1.25, 2.0))
    if choose(rng, {"composite": 0.8, "pairs": 0.2}, missing) == "pairs":
        photo = pick(rng, library.pairs)
        scene = photo_scene(rng, photo, frame_any(rng, photo.image.size, 0.5), canvas_px)
    elif rng.random() < 0.25:
        scene = composite_scene(rng, library, side_px)
    else:
        scene = composite_scene(rng, library, canvas_px)
    if scene.image.width != side_px:
        scene = zoom(rng, scene, side_px)
    alpha = np.asarray(scene.alpha)
    largest_px = largest_px or max(2, round(LARGEST_BAND_PX * side_px / 512))
    return Crop(
        image=np.asarray(degrade(rng, scene.image)),
        alpha=alpha,
        trimap=random_trimap(rng, alpha, np.asarray(scene.known), largest_px),
        foreground=np.asarray(scene.foreground or scene.image),
        background=np.asarray(scene.background or scene.image),
        composed=scene.foreground is not None,
    )


def make_ragged_crop(rng: Rng, library: Library, side_px: int, largest_px: int) -> Crop:
    """A ragged scene (`training/pictures/ragged.py`), whole, with a random trimap."""
    scene = ragged_scene(rng, library, side_px)
    alpha = np.asarray(scene.alpha)
    return Crop(
        image=np.asarray(degrade(rng, scene.image)),
        alpha=alpha,
        trimap=random_trimap(rng, alpha, np.asarray(scene.known), largest_px),
        foreground=np.asarray(scene.foreground),
        background=np.asarray(scene.background),
        composed=True,
    )


class Crops(Dataset[Crop]):
    """Endless crops by index; the same seed, index and library give the same crop."""

    def __init__(
        self,
        library: Library,
        side_px: int,
        seed: int,
        ragged: float = 0.0,
        band: float = 0.0,
        rough: float = 0.0,
    ) -> None:
        """A share of them are `ragged` scenes, and a share have `rough` trimaps.

        `band`: the largest radius of a trimap's unknown region, as a share of the side; 0 stands
        for 25 pixels of 512. That of a rough trimap is `ROUGH_BAND`.
        """
        self.library, self.side_px, self.seed = library, side_px, seed
        self.ragged, self.rough = ragged, rough
        self.largest_px = max(2, round((band or LARGEST_BAND_PX / 512) * side_px))
        self.roughest_px = max(2, round(ROUGH_BAND * side_px))

    def __getitem__(self, index: int) -> Crop:
        """The crop of this index."""
        rng = np.random.default_rng((self.seed, index))
        make = make_ragged_crop if self.ragged and rng.random() < self.ragged else make_crop
        rough = self.rough and rng.random() < self.rough
        return make(rng, self.library, self.side_px, self.roughest_px if rough else self.largest_px)


def crops(library: Library, side_px: int, crop_px: int, seed: int) -> Crops:
    """Crops of `crop_px`, with the arguments that recipes give; `side_px` is not used."""
    return Crops(library, crop_px, seed)


def crops_and_ragged(library: Library, side_px: int, crop_px: int, seed: int) -> Crops:
    """The same, four in ten of them ragged scenes, with unknown regions up to twice as wide.

    A quarter of the trimaps are rough: unknown up to a fifth of the side on both sides of an edge.
    """
    return Crops(library, crop_px, seed, RAGGED, WIDE_BAND, ROUGH)


@dataclass(frozen=True)
class CropBatch:
    """Crops as float tensors in [0, 1]: `image` (B, 3, S, S), `alpha` (B, 1, S, S).

    `trimap` (B, 3, S, S): background, unknown, foreground, of which one is 1 in each pixel.
    """

    image: Tensor
    alpha: Tensor
    trimap: Tensor

    def to(self, device: torch.device) -> "CropBatch":
        """The same batch on a device."""
        return CropBatch(*(part.to(device) for part in (self.image, self.alpha, self.trimap)))


def collate_crops(samples: Sequence[Crop]) -> CropBatch:
    """Stack crops of one size."""
    images = torch.from_numpy(np.stack([crop.image for crop in samples]))
    alphas = torch.from_numpy(np.stack([crop.alpha for crop in samples]))
    trimaps = torch.from_numpy(np.stack([crop.trimap for crop in samples]))
    return CropBatch(
        image=images.permute(0, 3, 1, 2).float() / 255,
        alpha=alphas[:, None].float() / 255,
        trimap=one_hot(trimaps, (BACKGROUND, UNKNOWN, FOREGROUND)),
    )
