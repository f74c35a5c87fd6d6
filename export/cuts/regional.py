"""The regional net's cut: COARSE(frame) | host | ENCODE(N regions) | host | REFINE(N regions)."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.arrays import Bytes, Floats
from edgematte.check.goldens import to_bytes
from edgematte.export.capture import TorchGraph
from edgematte.export.cut import Cut, Pool
from edgematte.export.cuts.patches import reflect
from edgematte.export.cuts.regional_central import CentralAttention
from edgematte.manifest import Graph
from edgematte.manifest import Tensor as Spec
from edgematte.models.regional.network import Regional
from edgematte.models.regional.refine import Skips
from edgematte.runtime.host.frame import frame_for
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.nets.regional.host import RegionsHost, Sizes

UNIT = (0.0, 1.0)
ANY = (-65504.0, 65504.0)  # range of features: that of float16


class Coarse(nn.Module):
    """Graph of the coarse net: frame -> alpha at full resolution, alpha and trimap of the cells."""

    def __init__(self, model: Regional) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(1, 3, H, W) -> (1, 1, H, W), (1, 1, H/8, W/8), (1, 3, H/8, W/8)."""
        mattes = self.model.coarse(image)
        return mattes.alpha, mattes.cell_alpha, mattes.cell_trimap


class Encode(nn.Module):
    """Graph of regions -> their tokens and feature maps."""

    def __init__(self, model: Regional) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, region: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(N, 4, 8, 8) -> tokens (N, T), maps of 8x8, 4x4 and 2x2."""
        token, skips = self.model.encode(region)
        return token, skips.skip8, skips.skip4, skips.skip2


class Refine(nn.Module):
    """Graph of feature maps, tokens of a region and its neighbours, biases -> alpha of the cell."""

    def __init__(self, model: Regional) -> None:
        """Shares the model's weights."""
        super().__init__()
        assert model.cra is not None
        self.cra, self.decoder = model.cra, model.region_decoder
        self.central = CentralAttention(model.cra.central)

    def forward(
        self, tokens: Tensor, bias: Tensor, skip8: Tensor, skip4: Tensor, skip2: Tensor
    ) -> Tensor:
        """(N, k+1, T), (N, k+1, k+1, heads), maps -> (N, 1, 8, 8)."""
        biases = bias.permute(0, 3, 1, 2)
        token = self.central(self.cra.pairwise(tokens, biases), biases)
        context = skip2 + self.cra.leave(token[:, 0])[:, :, None, None]
        alpha: Tensor = self.decoder(Skips(skip8, skip4, context))
        return alpha


class RefineAlone(nn.Module):
    """Graph of regions -> alpha of the cells, for a net without cross-region attention."""

    def __init__(self, model: Regional) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, region: Tensor) -> Tensor:
        """(N, 4, 8, 8) -> (N, 1, 8, 8)."""
        return self.model.refine_alone(region)


class RegionalCut(Cut):
    """The regional net in its one cut, regions."""

    def host(self, kind: str, size: tuple[int, int], sizes: Sizes, model: nn.Module) -> RegionsHost:
        """See :class:`Cut`."""
        assert isinstance(model, Regional)
        if model.cra is None:
            return RegionsHost(size=size, regions=sizes.regions)
        return RegionsHost(
            size=size,
            regions=sizes.regions,
            k=model.k,
            search_range=model.search_range,
            aliasing=model.aliasing,
            bias_table=tuple(tuple(float(v) for v in row) for row in model.bias_table.detach()),
        )

    def graphs(self, model: nn.Module, host: RegionsHost) -> list[TorchGraph]:
        """See :class:`Cut`."""
        assert isinstance(model, Regional)
        (width, height), n = host.size, host.regions
        image = Spec("image", (1, 3, height, width), "float32", "NCHW", UNIT, "RGB bytes / 255")
        cells = height // 8, width // 8
        meaning = "P(background), P(unknown), P(foreground) of the cells"
        whole = (
            Spec("alpha", (1, 1, height, width), "float32", "NCHW", UNIT, "coarse alpha, bilinear"),
            Spec(
                "cell_alpha", (1, 1, *cells), "float32", "NCHW", UNIT, "coarse alpha of the cells"
            ),
            Spec("cell_trimap", (1, 3, *cells), "float32", "NCHW", UNIT, meaning),
        )
        coarse = TorchGraph(Graph("coarse", (image,), whole), Coarse(model))
        region = Spec("region", (n, 4, 8, 8), "float32", "NCHW", UNIT, "RGB and coarse alpha")
        cell = Spec("cell", (n, 1, 8, 8), "float32", "NCHW", UNIT, "refined alpha")
        if model.cra is None:
            return [coarse, TorchGraph(Graph("refine", (region,), (cell,)), RefineAlone(model))]
        base, width_t, heads = (model.config[name] for name in ("region", "token", "heads"))
        group = model.k + 1
        skips = tuple(
            Spec(
                f"skip{side}",
                (n, c, side, side),
                "float32",
                "NCHW",
                ANY,
                f"features at {side}x{side}",
            )
            for side, c in ((8, base), (4, 2 * base), (2, 2 * base))
        )
        token = Spec("token", (n, width_t), "float32", "NT", ANY, "what a region says of itself")
        tokens = Spec(
            "tokens", (n, group, width_t), "float32", "NKT", ANY, "of a region and its neighbours"
        )
        bias = Spec(
            "bias", (n, group, group, heads), "float32", "NKKH", ANY, "by relative position, eq. 2"
        )
        return [
            coarse,
            TorchGraph(Graph("encode", (region,), (token, *skips)), Encode(model)),
            TorchGraph(Graph("refine", (tokens, bias, *skips), (cell,)), Refine(model)),
        ]

    @torch.no_grad()
    def reference(
        self, model: nn.Module, host: RegionsHost, picture: Bytes, reduced: Bytes, trimap: Bytes
    ) -> Floats:
        """See :class:`Cut`; with torch's own padding and resizing."""
        frame = frame_for((picture.shape[1], picture.shape[0]), host.size)
        inside = resize_picture(picture, frame.used)  # by the host: bytes are compared elsewhere
        image = torch.from_numpy(inside.copy()).permute(2, 0, 1)[None] / 255
        more = frame.size[0] - frame.used[0], frame.size[1] - frame.used[1]
        alpha = model(reflect(image, more)).alpha[:, :, : frame.used[1], : frame.used[0]]
        if frame.used != frame.picture:
            shape = frame.picture[1], frame.picture[0]
            alpha = F.interpolate(
                alpha, shape, mode="bilinear", align_corners=False, antialias=True
            )
        return np.asarray(alpha[0, 0].clamp(0, 1).numpy(), np.float32)

    def pool(self, picture: Bytes, answer: dict[str, Floats]) -> Pool:
        """See :class:`Cut`."""
        return {
            "picture": picture,
            "size": np.array(picture.shape[1::-1], np.int32),
            "cell_trimap": to_bytes(answer["cell_trimap"][0]),
            "cell_alpha": to_bytes(answer["cell_alpha"][0, 0]),
            "coarse_alpha": to_bytes(answer["alpha"][0, 0]),
        }


CUT = RegionalCut()
