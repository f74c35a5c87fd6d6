"""ViTMatte's cut: one graph of a fixed size for tiles of the picture."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.export.capture import TorchGraph
from edgematte.export.cut import Cut, Pool
from edgematte.export.cuts.sized_vit import SizedViT
from edgematte.export.fused_attention import attention_line
from edgematte.manifest import Graph
from edgematte.manifest import Tensor as Spec
from edgematte.models.vitmatte.network import ViTMatte
from edgematte.runtime.host.patches import Patch, blend_window, tile_grid, walk
from edgematte.runtime.matter import Matter
from edgematte.runtime.nets.vitmatte.host import Sizes, TilesHost

OVERLAP = 128
PATCH_PX = 16
UNIT = (0.0, 1.0)


class Matte(nn.Module):
    """Graph of image and trimap -> alpha; all that depends on the size alone is constant."""

    def __init__(self, model: ViTMatte, host: TilesHost) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model
        self.backbone = SizedViT(model.backbone, host.size, host.lattice or 1)

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """(1, 3, H, W), (1, 1, H, W) -> (1, 1, H, W)."""
        picture = self.model.normalise(image, trimap)
        alpha: Tensor = self.model.decoder(self.backbone(picture), picture)
        return alpha


class ViTMatteCut(Cut):
    """ViTMatte in its one cut, tiles."""

    batched = (TilesHost.KIND,)

    def refuse(self, kind: str, size: tuple[int, int], sizes: Sizes) -> None:
        """Refuse an overlap too large for a tile, and a tile that the lattice does not divide."""
        if (sizes.overlap or 0) > min(size) // 2:
            raise OptionError(
                f"overlap {sizes.overlap}: at most half a tile, {min(size) // 2} pixels"
            )
        step = PATCH_PX * sizes.lattice
        if any(side % step for side in size):
            raise OptionError(
                f"lattice {sizes.lattice} needs sides that are multiples of {step}; the size is "
                f"{size[0]}x{size[1]}"
            )

    def host(self, kind: str, size: tuple[int, int], sizes: Sizes, model: nn.Module) -> TilesHost:
        """See :class:`Cut`; smaller pictures are padded with what the normalisation makes zero."""
        assert isinstance(model, ViTMatte)
        red, green, blue = model.mean.tolist()
        return TilesHost(
            size=size,
            overlap=min(OVERLAP if sizes.overlap is None else sizes.overlap, min(size) // 2),
            padding=(red, green, blue),
            lattice=sizes.lattice if sizes.lattice > 1 else None,
        )

    def graphs(self, model: nn.Module, host: TilesHost) -> list[TorchGraph]:
        """See :class:`Cut`."""
        assert isinstance(model, ViTMatte)
        width, height = host.size
        image = Spec("image", (1, 3, height, width), "float32", "NCHW", UNIT, "RGB bytes / 255")
        meaning = "trimap bytes / 255: 0 background, 128/255 unknown, 1 foreground"
        trimap = Spec("trimap", (1, 1, height, width), "float32", "NCHW", UNIT, meaning)
        alpha = Spec("alpha", (1, 1, height, width), "float32", "NCHW", UNIT, "alpha")
        return [TorchGraph(Graph("matte", (image, trimap), (alpha,)), Matte(model, host))]

    @torch.no_grad()
    def reference(
        self, model: nn.Module, host: TilesHost, picture: Bytes, reduced: Bytes, trimap: Bytes
    ) -> Floats:
        """See :class:`Cut`; pads with zeros after the normalisation."""
        assert isinstance(model, ViTMatte)
        host = host.for_picture((picture.shape[1], picture.shape[0]))
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

    def report(
        self, model: nn.Module, host: TilesHost, matter: Matter, picture: Bytes, trimap: Bytes
    ) -> list[str]:
        """See :class:`Cut`: a line on how many attentions the engine fuses."""
        assert isinstance(model, ViTMatte)
        bundle = matter.bundle
        graph = next(g for g in bundle.manifest.graphs if g.name.startswith("matte"))
        blocks = len(model.backbone.blocks)
        line = attention_line(bundle.manifest.target, bundle.file(graph), graph, blocks)
        return ["## Attention", "", line] if line else []

    def pool(self, picture: Bytes, answer: dict[str, Floats]) -> Pool:
        """See :class:`Cut`."""
        return {"picture": picture}


CUT = ViTMatteCut()


def _inside(tile: Patch, height: int, width: int) -> tuple[slice, slice]:
    rows = slice(tile.top, min(tile.top + tile.height, height))
    return rows, slice(tile.left, min(tile.left + tile.side, width))
