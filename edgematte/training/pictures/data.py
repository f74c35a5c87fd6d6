"""Training samples and batches: scenes cut in the ways that the network is used."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from edgematte.training import stopping
from edgematte.training.pictures.augment import BILINEAR, Box, degrade
from edgematte.training.pictures.crops import crop_corner, random_trimap, zoom
from edgematte.training.pictures.scenes import SCENES, choose, composite_scene, make_scene
from edgematte.training.pictures.sources import Library
from edgematte.training.pictures.trimaps import one_hot

Rng = np.random.Generator
Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]

# Shares of the samples: whole scenes or parts of them, which the fused net sees; and larger scenes
# that SN sees reduced and MRN in part, with SN's probabilities (split) or a true trimap (given).
MODES = {"whole": 0.6, "zoomed": 0.1, "split": 0.15, "given": 0.15}
MAX_CANVAS_PX = 1024
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
WATCH_S = 1.0


@dataclass(frozen=True)
class Sample:
    """One scene as a training step uses it.

    `image` (S, S, 3), `alpha`, `known` (S, S): the whole scene, for SN; uint8, `known` 0 or 255.
    `crop_image`, `crop_alpha`, `crop_known`, of side C: the crop for MRN, maybe of a larger scene.
    `box`: left, top, right, bottom of the crop as fractions of the scene.
    `trimap` (C, C) uint8: the trimap that MRN gets instead of SN's probabilities, if any.
    """

    image: Plane
    alpha: Plane
    known: Plane
    crop_image: Plane
    crop_alpha: Plane
    crop_known: Plane
    box: Box
    trimap: Plane | None = None


def _arrays(image: Image.Image, alpha: Image.Image, known: Image.Image) -> Planes:
    return np.asarray(image), np.asarray(alpha), np.asarray(known)


def make_sample(
    rng: Rng,
    library: Library,
    side_px: int,
    crop_px: int,
    modes: dict[str, float] = MODES,
    scenes: dict[str, float] = SCENES,
) -> Sample:
    """One sample: SN sees the scene at `side_px`, MRN a crop of `crop_px`.

    Whole and zoomed samples are cropped (if at all) at the size that SN sees. Split samples are
    cropped from a larger scene, as when the host refines full-size patches; given ones have a true
    trimap, too. `modes` are the shares of these kinds, `scenes` those of the sources of scenes.
    """
    mode, canvas_px = choose(rng, modes), side_px
    if mode == "whole":
        scene = make_scene(rng, library, side_px, scenes)
    elif mode == "zoomed":
        scene = zoom(rng, composite_scene(rng, library, round(1.25 * side_px)), side_px)
    else:
        largest = max(1.25, min(3.0, MAX_CANVAS_PX / side_px))
        canvas_px = round(side_px * rng.uniform(1.25, largest))
        scene = composite_scene(rng, library, canvas_px)
    image, size = degrade(rng, scene.image), (side_px, side_px)
    planes = (image, scene.alpha, scene.known)
    whole = _arrays(*(plane.resize(size, BILINEAR) for plane in planes))
    if canvas_px == crop_px:
        return Sample(*whole, *whole, WHOLE)
    left, top = crop_corner(rng, scene, crop_px, wander=0.25)
    box = (left, top, left + crop_px, top + crop_px)
    crop = _arrays(*(plane.crop(box) for plane in planes))
    fractions = (box[0] / canvas_px, box[1] / canvas_px, box[2] / canvas_px, box[3] / canvas_px)
    trimap = random_trimap(rng, crop[1], crop[2]) if mode == "given" else None
    return Sample(*whole, *crop, fractions, trimap)


class Samples(Dataset[Sample]):
    """Endless samples by index; the same seed, index and library give the same sample."""

    def __init__(
        self,
        library: Library,
        side_px: int,
        crop_px: int,
        seed: int,
        make: Callable[[Rng, Library, int, int], Sample] = make_sample,
    ) -> None:
        self.library, self.side_px, self.crop_px, self.seed = library, side_px, crop_px, seed
        self.make = make

    def __getitem__(self, index: int) -> Sample:
        """The sample of this index."""
        rng = np.random.default_rng((self.seed, index))
        return self.make(rng, self.library, self.side_px, self.crop_px)


@dataclass(frozen=True)
class Batch:
    """Samples as float tensors in [0, 1]: images (B, 3, S, S), planes (B, 1, S, S), crops alike.

    `box` (B, 4) stays on the processor. `trimap`: for each sample (3, C, C), background, foreground
    and unknown, of which one is 1 in each pixel; None where none is given.
    """

    image: Tensor
    alpha: Tensor
    known: Tensor
    crop_image: Tensor
    crop_alpha: Tensor
    crop_known: Tensor
    box: Tensor
    trimap: list[Tensor | None]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        planes = ("image", "alpha", "known", "crop_image", "crop_alpha", "crop_known")
        moved: dict[str, Any] = {name: getattr(self, name).to(device) for name in planes}
        trimaps = [None if trimap is None else trimap.to(device) for trimap in self.trimap]
        return replace(self, **moved, trimap=trimaps)


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size."""

    def images(arrays: Sequence[Plane]) -> Tensor:
        stacked = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
        return stacked.float().div_(255)

    def planes(arrays: Sequence[Plane]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).unsqueeze(1).float().div_(255)

    def classes(trimap: Plane | None) -> Tensor | None:
        order = (BACKGROUND, FOREGROUND, UNKNOWN)
        return None if trimap is None else one_hot(torch.from_numpy(trimap), order)

    return Batch(
        image=images([s.image for s in samples]),
        alpha=planes([s.alpha for s in samples]),
        known=planes([s.known for s in samples]),
        crop_image=images([s.crop_image for s in samples]),
        crop_alpha=planes([s.crop_alpha for s in samples]),
        crop_known=planes([s.crop_known for s in samples]),
        box=torch.tensor([s.box for s in samples]),
        trimap=[classes(s.trimap) for s in samples],
    )


def _end_with(parent: int, worker: int) -> None:
    """Make this worker process end soon after its parent, even if the parent was killed.

    Otherwise a worker whose parent is gone would wait forever for its last batch to be taken.
    Signals that ask a run to stop are left to the parent.
    """
    stopping.in_worker()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def load(
    samples: Dataset[Any],
    share: Sequence[int],
    size: int,
    workers: int,
    stack: Callable[[Sequence[Any]], Any] = collate,
) -> Iterator[Any]:
    """Batches of `size`, of the samples with these indices in order, made by worker processes.

    Order and samples are the same for any number of workers; with 0 workers this process makes
    them. `stack` makes a batch from a list of samples.
    """
    # Forked workers share the decoded pictures; where forking is unsafe each worker gets a copy.
    forks = workers > 0 and sys.platform == "linux"
    loader = DataLoader(
        samples,
        batch_size=size,
        sampler=share,
        num_workers=workers,
        collate_fn=list,
        prefetch_factor=4 if workers else None,
        multiprocessing_context="fork" if forks else None,
        worker_init_fn=partial(_end_with, os.getpid()),
    )
    return map(stack, loader)
