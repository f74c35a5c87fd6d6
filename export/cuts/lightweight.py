"""The lightweight net's two cuts: fused (image -> alpha, trimap) and split (SN | host | MRN)."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.arrays import Bytes, Floats
from edgematte.check.goldens import coarse, to_bytes
from edgematte.checkpoint import load_model
from edgematte.export.capture import TorchGraph
from edgematte.export.cut import Cut, Pool
from edgematte.export.cuts.patches import crop_planes
from edgematte.host import StageHost
from edgematte.manifest import STAGE, Graph, Weights
from edgematte.manifest import Tensor as Spec
from edgematte.models.lightweight.network import Lightweight
from edgematte.net import Variant
from edgematte.runtime.host.patches import blend_window
from edgematte.runtime.host.trimap_stage import SPECK_SHARE
from edgematte.runtime.nets.lightweight.host import FusedHost, Sizes, SplitHost
from edgematte.runtime.nets.lightweight.patches import patches_for

UNKNOWN_THRESHOLD = 0.3
BAND_PX = 4
"""With the shipped weights alpha's mean error on 107 photographs never trained on is 0.0628, with a
threshold of 0.1 0.0639, on portraits 0.026 with both, over soft pixels 0.280 with both: what SN is
not sure of it mostly knows. The band is 22 % of a picture, not 39 %, a third fewer patches of a
photograph at 1920x1080 are refined. A band of 0 pixels saves 2 % of them and covers 2 % fewer of
the soft pixels; 12 cost 5 %. Printed by `benchmarks/band.py`; docs/quality.md has the table."""

STAGE_THRESHOLD = 0.1
"""Of the trimap stage. What it calls known no larger net mends: with 0.1 0.6 % of the pixels are
known and wrong, with 0.3 2.0 %."""


OVERLAP_PX = 16
LATTICE_PX = 16
"""Margin of patches, and where they may start.

On six portraits at 1920x1080 with a fifth of the pixels unknown, placed patches of 256 with this
margin have 4.2 times the unknown pixels, differ from the whole picture refined at once by 0.0243
on average and have a seam score of 1.01; patches of 320 on a grid that share 32: 4.7 times, 0.0255
and 1.62. Margins of 8 save another 3 % and cost 0.0008; sides of 192 save no time, for their pixels
cost more. Printed by `benchmarks/patches.py`.
"""


STAGE_SIZE = (512, 512)
"""Size of the reduced picture that the trimap stage sees."""


class Segment(nn.Module):
    """Graph of SN: image -> class probabilities."""

    def __init__(self, model: Lightweight) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """(1, 3, h, w) -> (1, 3, h, w)."""
        return self.model.probabilities(image)


class Whole(nn.Module):
    """The fused graph: image -> alpha and class probabilities."""

    def __init__(self, model: Lightweight) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, 3, h, w) -> (1, 1, h, w), (1, 3, h, w).

        Eq. 5 adds probabilities; rounding could carry their sum above 1, in half precision by
        1e-3, and tools that find such a value take alpha for logits.
        """
        alpha, probabilities = self.model(image)
        return alpha.clamp(0, 1), probabilities


class Refine(nn.Module):
    """Graph of MRN and eq. 5: image and class probabilities -> alpha in [0, 1]."""

    def __init__(self, model: Lightweight) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """(1, 3, P, P), (1, 3, P, P) -> (1, 1, P, P)."""
        return self.model.matte(image, trimap).clamp(0, 1)


class LightweightCut(Cut):
    """The lightweight net in two cuts, fused and split."""

    def host(
        self, kind: str, size: tuple[int, int], sizes: Sizes, model: nn.Module
    ) -> FusedHost | SplitHost:
        """See :class:`Cut`."""
        if kind == FusedHost.KIND:
            return FusedHost(size=size, unknown_threshold=UNKNOWN_THRESHOLD, band_px=BAND_PX)
        return SplitHost(
            size=size,
            unknown_threshold=UNKNOWN_THRESHOLD,
            band_px=BAND_PX,
            patch=sizes.patch,
            overlap=OVERLAP_PX,
            lattice=LATTICE_PX,
        )

    def graphs(self, model: nn.Module, host: FusedHost | SplitHost) -> list[TorchGraph]:
        """See :class:`Cut`."""
        assert isinstance(model, Lightweight)
        width, height = host.size
        if isinstance(host, FusedHost):
            outputs = (_alpha(height, width), _trimap(height, width))
            return [TorchGraph(Graph("matte", (_image(height, width),), outputs), Whole(model))]
        side = host.patch
        refine = Graph("refine", (_image(side, side), _trimap(side, side)), (_alpha(side, side),))
        return [_segment(model, host.size), TorchGraph(refine, Refine(model))]

    @torch.no_grad()
    def reference(
        self,
        model: nn.Module,
        host: FusedHost | SplitHost,
        picture: Bytes,
        reduced: Bytes,
        trimap: Bytes,
    ) -> Floats:
        """See :class:`Cut`; torch resizes, pads and folds. Sides are at least 2 pixels."""
        assert isinstance(model, Lightweight)
        height, width = picture.shape[:2]
        whole, small = (
            torch.from_numpy(p.copy()).permute(2, 0, 1)[None] / 255 for p in (picture, reduced)
        )
        if isinstance(host, FusedHost):
            alpha, _ = model(small)
            return _enlarge(alpha, (height, width))[0, 0].clamp(0, 1).numpy()
        classes = _enlarge(model.probabilities(small), (height, width))
        total, weights = torch.zeros(height, width), torch.zeros(height, width)
        for patch in patches_for(host, trimap):
            rows = slice(patch.top, min(patch.top + patch.side, height))
            columns = slice(patch.left, min(patch.left + patch.side, width))
            window = torch.from_numpy(blend_window(patch, (width, height), host.overlap))
            window = window[: rows.stop - rows.start, : columns.stop - columns.start]
            values = torch.from_numpy(trimap[rows, columns].astype(np.int64))
            if bool((values == 128).any()):
                part = model.matte(crop_planes(whole, patch), crop_planes(classes, patch))[0, 0]
                part = part[: rows.stop - rows.start, : columns.stop - columns.start]
            else:
                part = values / 255
            total[rows, columns] += window * part
            weights[rows, columns] += window
        if host.lattice is not None:  # where patches end, they fade into the trimap
            total += (1 - weights).clamp(min=0) * torch.from_numpy(trimap == 255)
            weights = weights.clamp(min=1)
        return (total / weights).clamp(0, 1).numpy()

    def pool(self, picture: Bytes, answer: dict[str, Floats]) -> Pool:
        """See :class:`Cut`."""
        pool: Pool = {
            "picture": picture,
            "size": np.array(picture.shape[1::-1], np.int32),
            "probabilities": coarse(answer["trimap"][0]),
        }
        if "alpha" in answer:
            pool["reduced_alpha"] = to_bytes(answer["alpha"][0])
        return pool


CUT = LightweightCut()


def trimap_stage(variant: Variant, band_px: int | None) -> tuple[StageHost, TorchGraph, Weights]:
    """SN with the weights that ship with edgematte, as the trimap stage of another net's bundle.

    Args:
        variant: whose SN.
        band_px: how far the unknown region grows, in pixels of the full picture; by default as in
            the net's own cuts.
    """
    model, weights = load_model(variant)
    assert isinstance(model, Lightweight)
    host = StageHost(
        size=STAGE_SIZE,
        unknown_threshold=STAGE_THRESHOLD,
        band_px=BAND_PX if band_px is None else band_px,
        speck_share=SPECK_SHARE,
    )
    segment = _segment(model, STAGE_SIZE)
    named = replace(weights, source=f"{variant.name}, {weights.source}")
    return host, replace(segment, graph=replace(segment.graph, name=STAGE)), named


def _segment(model: Lightweight, size: tuple[int, int]) -> TorchGraph:
    width, height = size
    graph = Graph("segment", (_image(height, width),), (_trimap(height, width),))
    return TorchGraph(graph, Segment(model))


def _image(height: int, width: int) -> Spec:
    return Spec("image", (1, 3, height, width), "float32", "NCHW", (0.0, 1.0), "RGB bytes / 255")


def _trimap(height: int, width: int) -> Spec:
    meaning = "P(background), P(foreground), P(unknown)"
    return Spec("trimap", (1, 3, height, width), "float32", "NCHW", (0.0, 1.0), meaning)


def _alpha(height: int, width: int) -> Spec:
    return Spec("alpha", (1, 1, height, width), "float32", "NCHW", (0.0, 1.0), "alpha, eq. 5")


def _enlarge(planes: Tensor, shape: tuple[int, int]) -> Tensor:
    if tuple(planes.shape[2:]) == shape:
        return planes
    return F.interpolate(planes, shape, mode="bilinear", antialias=True, align_corners=False)
