"""A library's pictures as tensors that stay on the device, each squeezed into a square."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from edgematte.training.pictures.sources import Library, Photo

Rng = np.random.Generator
LEVELS = 3  # each half as large as the one before, for pictures that are shown small


@dataclass(frozen=True)
class Shelf:
    """The pictures of one kind.

    `levels`: uint8 (N, C, S, S), then half that side, then a quarter. `folders`: the rows of each
    folder. `pictures`: the originals, of which the sizes, boxes and soft pixels are asked for.
    """

    levels: tuple[Tensor, ...]
    folders: tuple[range, ...]
    pictures: tuple[Any, ...]

    def pick(self, rng: Rng) -> int:
        """The row of a random picture: first a folder is drawn, then a picture of it."""
        folder = self.folders[int(rng.integers(len(self.folders)))]
        return folder[int(rng.integers(len(folder)))]


@dataclass(frozen=True)
class Resident:
    """Pictures by kind, on `device`; a kind that the library lacks is not in `shelves`.

    Channels: photographs (people, pairs) red, green, blue, alpha, known; cut-outs red, green and
    blue times alpha, then alpha; veils alpha; backgrounds red, green, blue. `known` is 255 where
    alpha is reliable.
    """

    device: torch.device
    side_px: int
    shelves: dict[str, Shelf]

    @classmethod
    def of(cls, library: Library, device: torch.device, side_px: int) -> "Resident":
        """Put a library on a device, each picture at (side_px, side_px)."""
        kinds: dict[str, tuple[Sequence[Sequence[Any]], Callable[[Any], list[Image.Image]]]] = {
            "people": (library.people, _photo),
            "pairs": (library.pairs, _photo),
            "cutouts": (library.cutouts, lambda cutout: bands(cutout.convert("RGBa"))),
            "veils": (library.veils, lambda veil: [veil.getchannel("A")]),
            "backgrounds": (library.backgrounds, bands),
        }
        shelves = {
            kind: _shelf(folders, planes, device, side_px)
            for kind, (folders, planes) in kinds.items()
            if folders
        }
        return cls(device, side_px, shelves)


def bands(picture: Image.Image) -> list[Image.Image]:
    """The channels of a picture, each as one of grey."""
    return [picture.getchannel(name) for name in picture.getbands()]


def _photo(photo: Photo) -> list[Image.Image]:
    return [*bands(photo.image), photo.alpha, photo.known]


def _shelf(
    folders: Sequence[Sequence[Any]],
    planes: Callable[[Any], list[Image.Image]],
    device: torch.device,
    side_px: int,
) -> Shelf:
    pictures = [picture for folder in folders for picture in folder]
    ends = np.cumsum([0, *(len(folder) for folder in folders)]).tolist()
    size = (side_px, side_px)

    def square(picture: Any) -> Tensor:
        small = [plane.resize(size, Image.Resampling.BILINEAR) for plane in planes(picture)]
        return torch.from_numpy(np.stack([np.asarray(plane) for plane in small]))

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        levels = [torch.stack(list(threads.map(square, pictures))).to(device)]
    while len(levels) < LEVELS:
        levels.append(torch.cat([_halved(part) for part in torch.split(levels[-1], 256)]))
    rows = tuple(range(a, b) for a, b in zip(ends, ends[1:], strict=False))
    return Shelf(tuple(levels), rows, tuple(pictures))


def _halved(pixels: Tensor) -> Tensor:
    return (F.avg_pool2d(pixels.float(), 2) + 0.5).to(torch.uint8)
