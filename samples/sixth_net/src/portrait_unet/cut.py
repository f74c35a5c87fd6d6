"""The torch side of the export: which graphs there are, and the same matte by PyTorch alone."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from edgematte.arrays import Bytes, Floats
from edgematte.check.goldens import to_bytes
from edgematte.export.capture import TorchGraph
from edgematte.export.cut import Cut, Pool
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.host.resize import resize_picture
from portrait_unet.host import FusedHost, Sizes


class PortraitCut(Cut):
    """One graph: image -> alpha."""

    def host(self, kind: str, size: tuple[int, int], sizes: Sizes, model: nn.Module) -> FusedHost:
        """The host section; ``size`` is (width, height) of what the graph sees."""
        return FusedHost(size=size, edge_px=sizes.edge_px)

    def graphs(self, model: nn.Module, host: FusedHost) -> list[TorchGraph]:
        """The network as it is; what guides its training alone falls away."""
        width, height = host.size
        image = _tensor("image", 3, height, width, "RGB bytes / 255")
        alpha = _tensor("alpha", 1, height, width, "alpha")
        return [TorchGraph(Graph("matte", (image,), (alpha,)), model)]

    @torch.no_grad()
    def reference(
        self, model: nn.Module, host: FusedHost, picture: Bytes, reduced: Bytes, trimap: Bytes
    ) -> Floats:
        """Alpha (H, W) by torch's own padding and resizing; bytes are reduced as the host does."""
        edge, (width, height) = host.edge_px, host.inner
        small = torch.from_numpy(resize_picture(picture, host.inner).copy())
        image = F.pad(small.permute(2, 0, 1)[None] / 255, [edge] * 4, mode="replicate")
        alpha = model(image)[..., edge : edge + height, edge : edge + width]
        whole = F.interpolate(
            alpha, picture.shape[:2], mode="bilinear", antialias=True, align_corners=False
        )
        return whole[0, 0].clamp(0, 1).numpy()

    def pool(self, picture: Bytes, answer: dict[str, Floats]) -> Pool:
        """What the host steps start from."""
        size: Any = np.array(picture.shape[1::-1], np.int32)
        return {"picture": picture, "size": size, "reduced_alpha": to_bytes(answer["alpha"][0])}


CUT = PortraitCut()


def _tensor(name: str, channels: int, height: int, width: int, meaning: str) -> Tensor:
    return Tensor(name, (1, channels, height, width), "float32", "NCHW", (0.0, 1.0), meaning)
