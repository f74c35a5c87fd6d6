"""The lightweight net's two cuts: fused (image -> alpha, trimap) and split (SN | host | MRN)."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.check.goldens import coarse, to_bytes
from edgematte.export.capture import TorchGraph
from edgematte.export.cuts.patches import crop_planes, patch_input
from edgematte.manifest import Graph, Host
from edgematte.manifest import Tensor as Spec
from edgematte.models.lightweight import Lightweight
from edgematte.runtime.patches import blend_window, patch_grid, walk

CUTS = ("fused", "split")
SIZES = {"patch": 320}
UNUSED = {"fused": ("patch",)}
UNKNOWN_THRESHOLD = 0.1
BAND_PX = 4
"""With the shipped weights this band holds 93 % of the soft pixels of 76 real pairs, at 39 % of
their area; 0.35 would hold 77 % at 20 %, 0.05 97 % at 49 %. Printed by `benchmarks/band.py`."""


class Segment(nn.Module):
    """SN: image -> class probabilities."""

    def __init__(self, model: Lightweight) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """(1, 3, h, w) -> (1, 3, h, w)."""
        return self.model.probabilities(image)


class Refine(nn.Module):
    """MRN and eq. 5: image and class probabilities -> alpha."""

    def __init__(self, model: Lightweight) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """(1, 3, P, P), (1, 3, P, P) -> (1, 1, P, P)."""
        return self.model.matte(image, trimap)


def host(cut: str, size: tuple[int, int], patch: int) -> Host:
    """The host parameters of a cut; ``size`` is (width, height)."""
    base = Host(cut, size, unknown_threshold=UNKNOWN_THRESHOLD, band_px=BAND_PX)
    if cut == "fused":
        return base
    return Host(
        cut,
        size,
        unknown_threshold=UNKNOWN_THRESHOLD,
        band_px=BAND_PX,
        patch=patch,
        overlap=patch // 10,
    )


def graphs(model: Lightweight, host: Host) -> list[TorchGraph]:
    """The modules to capture, with their declared inputs and outputs."""
    width, height = host.size
    if host.cut == "fused":
        declared = Graph(
            "matte", (_image(height, width),), (_alpha(height, width), _trimap(height, width))
        )
        return [TorchGraph(declared, model)]
    assert host.patch is not None
    side = host.patch
    segment = Graph("segment", (_image(height, width),), (_trimap(height, width),))
    refine = Graph("refine", (_image(side, side), _trimap(side, side)), (_alpha(side, side),))
    return [TorchGraph(segment, Segment(model)), TorchGraph(refine, Refine(model))]


def _image(height: int, width: int) -> Spec:
    return Spec("image", (1, 3, height, width), "float32", "NCHW", (0.0, 1.0), "RGB bytes / 255")


def _trimap(height: int, width: int) -> Spec:
    meaning = "P(background), P(foreground), P(unknown)"
    return Spec("trimap", (1, 3, height, width), "float32", "NCHW", (0.0, 1.0), meaning)


def _alpha(height: int, width: int) -> Spec:
    return Spec("alpha", (1, 1, height, width), "float32", "NCHW", (0.0, 1.0), "alpha, eq. 5")


@torch.no_grad()
def reference(
    model: Lightweight,
    host: Host,
    picture: NDArray[np.uint8],
    reduced: NDArray[np.uint8],
    trimap: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Alpha (H, W) by the training-time forward and torch's own resizing, padding and folding.

    Args:
        model: the trained model.
        host: the cut's parameters.
        picture: uint8 (H, W, 3), each side at least 2.
        reduced: uint8 (h, w, 3), the picture at the graph's size: resizing bytes is compared
            elsewhere, because torch and Pillow round some of them differently.
        trimap: uint8 (H, W); tells which patches hold unknown pixels.
    """
    height, width = picture.shape[:2]
    whole, small = (
        torch.from_numpy(p.copy()).permute(2, 0, 1)[None] / 255 for p in (picture, reduced)
    )
    if host.cut == "fused":
        alpha, _ = model(small)
        return _enlarge(alpha, (height, width))[0, 0].clamp(0, 1).numpy()
    assert host.patch is not None and host.overlap is not None
    classes = _enlarge(model.probabilities(small), (height, width))
    total, weights = torch.zeros(height, width), torch.zeros(height, width)
    for patch in walk(patch_grid((width, height), host.patch, host.overlap)):
        rows = slice(patch.top, min(patch.top + patch.side, height))
        columns = slice(patch.left, min(patch.left + patch.side, width))
        window = torch.from_numpy(blend_window(patch, (width, height), host.overlap))
        window = window[: rows.stop - rows.start, : columns.stop - columns.start]
        known = torch.from_numpy(trimap[rows, columns].astype(np.int64))
        if bool((known == 128).any()):
            part = model.matte(crop_planes(whole, patch), crop_planes(classes, patch))[0, 0]
            part = part[: rows.stop - rows.start, : columns.stop - columns.start]
        else:
            part = known / 255
        total[rows, columns] += window * part
        weights[rows, columns] += window
    return (total / weights).clamp(0, 1).numpy()


def _enlarge(planes: Tensor, shape: tuple[int, int]) -> Tensor:
    if tuple(planes.shape[2:]) == shape:
        return planes
    return F.interpolate(planes, shape, mode="bilinear", antialias=True, align_corners=False)


def host_pool(
    picture: NDArray[np.uint8], found: dict[str, NDArray[np.float32]]
) -> dict[str, NDArray[Any]]:
    """What the host steps start from: the picture, and what the first graph found."""
    pool: dict[str, NDArray[Any]] = {
        "picture": picture,
        "size": np.array(picture.shape[1::-1], np.int32),
        "probabilities": coarse(found["trimap"][0]),
    }
    if "alpha" in found:
        pool["reduced_alpha"] = to_bytes(found["alpha"][0])
    return pool


host_input = patch_input
