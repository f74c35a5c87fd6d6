"""ViTMatte's cut: one graph of a fixed size for tiles of the picture."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.errors import OptionError
from edgematte.export.capture import TorchGraph
from edgematte.export.cuts.patches import blended_alphas
from edgematte.export.cuts.sized_vit import SizedViT
from edgematte.export.fused_attention import attention_line
from edgematte.manifest import Graph, Host
from edgematte.manifest import Tensor as Spec
from edgematte.models.vitmatte import ViTMatte
from edgematte.runtime.matter import Matter
from edgematte.runtime.patches import Patch, blend_window, tile_grid, walk
from edgematte.runtime.sizes import host_for

CUTS = ("tiles",)
BATCHED = ("tiles",)
PADS = True
SIZES = {"overlap": 128, "lattice": 1}
PATCH_PX = 16
UNIT = (0.0, 1.0)


def check_sizes(size: tuple[int, int], given: Mapping[str, int]) -> None:
    """Refuse an overlap that was asked for and that tiles cannot have; the default one shrinks.

    Raises:
        OptionError: more than half a tile.
    """
    if given.get("overlap", 0) > min(size) // 2:
        raise OptionError(
            f"--overlap {given['overlap']}: at most half a tile, {min(size) // 2} pixels"
        )


class Matte(nn.Module):
    """Image and trimap -> alpha, with all that the size decides as constants."""

    def __init__(self, model: ViTMatte, host: Host) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model
        self.backbone = SizedViT(model.backbone, host.size, host.lattice or 1)

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """(1, 3, H, W), (1, 1, H, W) -> (1, 1, H, W)."""
        picture = self.model.normalise(image, trimap)
        alpha: Tensor = self.model.decoder(self.backbone(picture), picture)
        return alpha


def host(cut: str, size: tuple[int, int], overlap: int, lattice: int = 1) -> Host:
    """The host parameters but for those of the weights; ``size`` is (width, height) of a tile.

    Neighbouring tiles share ``overlap`` pixels, at most half a tile. ``lattice`` is the step of
    grid sampling, 1 for none.

    Raises:
        OptionError: a tile that the lattice does not divide.
    """
    if any(side % (PATCH_PX * lattice) for side in size):
        raise OptionError(
            f"--lattice {lattice} needs sides that are multiples of {PATCH_PX * lattice}; the size "
            f"is {size[0]}x{size[1]}"
        )
    found = Host(cut, size, overlap=min(overlap, min(size) // 2))
    return replace(found, lattice=lattice) if lattice > 1 else found


def complete(host: Host, model: ViTMatte) -> Host:
    """The host parameters with the colour that the model's normalisation makes zero."""
    red, green, blue = model.mean.tolist()
    return replace(host, padding=(red, green, blue))


def graphs(model: ViTMatte, host: Host) -> list[TorchGraph]:
    """The module to capture, with its declared inputs and outputs."""
    width, height = host.size
    image = Spec("image", (1, 3, height, width), "float32", "NCHW", UNIT, "RGB bytes / 255")
    meaning = "trimap bytes / 255: 0 background, 128/255 unknown, 1 foreground"
    trimap = Spec("trimap", (1, 1, height, width), "float32", "NCHW", UNIT, meaning)
    alpha = Spec("alpha", (1, 1, height, width), "float32", "NCHW", UNIT, "alpha")
    return [TorchGraph(Graph("matte", (image, trimap), (alpha,)), Matte(model, host))]


@torch.no_grad()
def reference(
    model: ViTMatte,
    host: Host,
    picture: NDArray[np.uint8],
    reduced: NDArray[np.uint8],
    trimap: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Alpha (H, W) by the training-time forward, zero padding after the normalisation.

    Args:
        model: the trained model.
        host: the cut's parameters.
        picture: uint8 (H, W, 3).
        reduced: of no use here: pictures are cut, not reduced.
        trimap: uint8 (H, W).
    """
    host = host_for(host, (picture.shape[1], picture.shape[0]))
    assert host.overlap is not None
    across, down = (side // PATCH_PX for side in host.size)
    tables = model.backbone.tables(down, across, host.lattice or 1)
    height, width = trimap.shape
    image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
    classes = torch.from_numpy(trimap.copy())
    whole = model.normalise(image, classes[None, None] / 255)
    total, weights = torch.zeros(height, width), torch.zeros(height, width)
    for tile in walk(tile_grid((width, height), host.size, host.overlap)):
        rows, columns = _inside(tile, height, width)
        part = whole[:, :, rows, columns]
        right, below = tile.side - part.shape[3], tile.height - part.shape[2]
        alpha = model.matte(F.pad(part, (0, right, 0, below)), tables)[0, 0]
        taper = torch.from_numpy(blend_window(tile, (width, height), host.overlap))
        taper = taper[: part.shape[2], : part.shape[3]]
        total[rows, columns] += taper * alpha[: part.shape[2], : part.shape[3]]
        weights[rows, columns] += taper
    stitched = torch.where(classes == 128, total / weights, (classes == 255).float())
    return np.asarray(stitched.clamp(0, 1).numpy(), np.float32)


def _inside(tile: Patch, height: int, width: int) -> tuple[slice, slice]:
    rows = slice(tile.top, min(tile.top + tile.height, height))
    return rows, slice(tile.left, min(tile.left + tile.side, width))


def report(
    model: ViTMatte,
    host: Host,
    matter: Matter,
    picture: NDArray[np.uint8],
    trimap: NDArray[np.uint8],
) -> list[str]:
    """Lines of REPORT.md: how many attentions the engine fuses."""
    bundle = matter.bundle
    graph = next(g for g in bundle.manifest.graphs if g.name.startswith("matte"))
    blocks = len(model.backbone.blocks)
    line = attention_line(bundle.manifest.target, bundle.file(graph), graph, blocks)
    return ["## Attention", "", line] if line else []


def host_pool(
    picture: NDArray[np.uint8], found: dict[str, NDArray[np.float32]]
) -> dict[str, NDArray[Any]]:
    """What the host steps start from: the picture."""
    return {"picture": picture}


def host_input(name: str, pool: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """An array that nothing before gives: a tile to crop, or alphas to stitch."""
    boxes = pool["tiles"]
    if name == "tile":
        chosen: NDArray[Any] = boxes[int(np.argmax(pool["run"]))]
        return chosen
    assert name == "alphas"
    width, height = (int(n) for n in boxes[0][2:])
    return blended_alphas(len(boxes), (width, height))
