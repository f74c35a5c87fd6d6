"""HDMatt's cut: BANK(patch) | best contexts, on the host | QUERY(patch, contexts) -> alpha."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.arrays import Bytes, Floats
from edgematte.export.capture import TorchGraph
from edgematte.export.cut import Cut, Pool
from edgematte.export.cuts.patches import crop_planes
from edgematte.manifest import Graph
from edgematte.manifest import Tensor as Spec
from edgematte.models.hdmatt.context import TGNL, Bank, reduced_trimap
from edgematte.models.hdmatt.network import Contexts, HDMatt
from edgematte.models.hdmatt.resnet import STRIDE
from edgematte.runtime.host.patches import blend_window, patch_grid, walk
from edgematte.runtime.nets.hdmatt.contexts import MISSING, candidates
from edgematte.runtime.nets.hdmatt.host import PatchesHost, Sizes

CANDIDATES = 30
"""How many patches may be contexts in pictures of ultra-high resolution (section 4.2). Smaller
pictures have fewer patches, and all of them may be."""
UNIT = (0.0, 1.0)
ANY = (-65504.0, 65504.0)  # range of features: that of float16


class BankGraph(nn.Module):
    """Graph of a patch -> the features that its own query and other patches' queries need."""

    def __init__(self, model: HDMatt) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, trimap: Tensor) -> tuple[Tensor, ...]:
        """Image and trimap (1, 3, P, P) -> key, value, own, query, context; with TGNL also mask."""
        bank = self.model.bank(image, trimap)
        return tuple(bank) if self.model.config["cpc"] == TGNL else tuple(bank)[:-1]


class QueryGraph(nn.Module):
    """Graph of a patch, its features and those of K contexts -> alpha of the patch."""

    def __init__(self, model: HDMatt) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(
        self,
        image: Tensor,
        trimap: Tensor,
        key: Tensor,
        own: Tensor,
        keys: Tensor,
        values: Tensor,
        masks: Tensor,
        pad: Tensor,
    ) -> Tensor:
        """Patch (1, 3, P, P), key (1, C, h, w), own (1, V, h, w), those of K contexts -> alpha."""
        _, skips = self.model.encoder.shallow(image, trimap)
        mask = reduced_trimap(trimap, STRIDE)
        contexts = Contexts(keys[None], values[None], masks[None], pad)
        return self.model.matte(self.model.attend(key, own, mask, contexts), skips, trimap)


class PlainQueryGraph(QueryGraph):
    """A :class:`QueryGraph` of a net without trimap guidance, which has no masks."""

    def forward(  # type: ignore[override]
        self,
        image: Tensor,
        trimap: Tensor,
        key: Tensor,
        own: Tensor,
        keys: Tensor,
        values: Tensor,
        pad: Tensor,
    ) -> Tensor:
        """As :class:`QueryGraph`."""
        return super().forward(image, trimap, key, own, keys, values, values[:, :3], pad)


class AloneGraph(nn.Module):
    """Graph of a patch -> its alpha, for a net without contexts."""

    def __init__(self, model: HDMatt) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """Image and trimap (1, 3, P, P) -> alpha (1, 1, P, P)."""
        alpha: Tensor = self.model(image, trimap)
        return alpha


class HDMattCut(Cut):
    """HDMatt in its one cut, patches."""

    sized = False  # the graphs see patches, never the whole picture

    def host(self, kind: str, size: tuple[int, int], sizes: Sizes, model: nn.Module) -> PatchesHost:
        """See :class:`Cut`; ``size`` is not used by this net.

        The overlap is in the paper's proportion; `benchmarks/highres.py` measures others.
        """
        assert isinstance(model, HDMatt)
        side = sizes.patch
        if model.context is None:
            return PatchesHost(size=(side, side), patch=side, overlap=side // 10)
        return PatchesHost(
            size=(side, side),
            patch=side,
            overlap=side // 10,
            k=model.k,
            candidates=max(CANDIDATES, model.k + 1),
        )

    def graphs(self, model: nn.Module, host: PatchesHost) -> list[TorchGraph]:
        """See :class:`Cut`."""
        assert isinstance(model, HDMatt)
        side, width = host.patch, model.config["width"]
        image = Spec("image", (1, 3, side, side), "float32", "NCHW", UNIT, "RGB bytes / 255")
        classes = "one-hot: background, foreground, unknown"
        trimap = Spec("trimap", (1, 3, side, side), "float32", "NCHW", UNIT, classes)
        alpha = Spec(
            "alpha", (1, 1, side, side), "float32", "NCHW", UNIT, "alpha, known pixels exact"
        )
        if model.context is None:
            return [TorchGraph(Graph("query", (image, trimap), (alpha,)), AloneGraph(model))]
        guided = model.config["cpc"] == TGNL
        small, k = side // STRIDE, model.k

        def maps(
            name: str, count: int, channels: int, meaning: str, span: tuple[float, float]
        ) -> Spec:
            return Spec(name, (count, channels, small, small), "float32", "NCHW", span, meaning)

        key = maps("key", 1, width, "key, by theta", ANY)
        own = maps("own", 1, 2 * width, "value as a query, by delta", ANY)
        banked = [
            key,
            maps("value", 1, 2 * width, "value as a context, by phi", ANY),
            own,
            Spec(
                "query", (1, width), "float32", "NC", ANY, "mean key of the unknown region, eq. 1"
            ),
            Spec("context", (1, width), "float32", "NC", ANY, "mean key, eq. 1"),
        ]
        given = [
            maps("keys", k, width, "keys of the contexts", ANY),
            maps("values", k, 2 * width, "values of the contexts", ANY),
        ]
        if guided:
            banked.append(maps("mask", 1, 3, "classes at 1/8", UNIT))
            given.append(maps("masks", k, 3, "classes of the contexts", UNIT))
        pad = Spec(
            "pad", (1, k), "float32", "NK", (MISSING, 0.0), "0, or -1e4 for a missing context"
        )
        bank = Graph("bank", (image, trimap), tuple(banked))
        query = Graph("query", (image, trimap, key, own, *given, pad), (alpha,))
        module = QueryGraph(model) if guided else PlainQueryGraph(model)
        return [TorchGraph(bank, BankGraph(model)), TorchGraph(query, module)]

    @torch.no_grad()
    def reference(
        self, model: nn.Module, host: PatchesHost, picture: Bytes, reduced: Bytes, trimap: Bytes
    ) -> Floats:
        """See :class:`Cut`; by the training-time modules, torch's padding, one-hot and folding.

        It computes what the training-time forward computes for a query and its contexts, except
        that the encoder runs once on a context and not once for each query; the cut's tests compare
        with the forward itself. With more patches than candidates, features are rounded to half
        floats, because the host keeps them so.
        """
        assert isinstance(model, HDMatt)
        height, width = picture.shape[:2]
        whole = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
        values = torch.from_numpy(trimap.astype(np.int64))
        order = torch.tensor([0] * 128 + [2] * 127 + [1])  # byte of a trimap -> class
        classes = F.one_hot(order[values], 3).permute(2, 0, 1)[None].float()
        patches = list(walk(patch_grid((width, height), host.patch, host.overlap)))
        numbers = candidates(trimap, patches, host.candidates or 0).tolist() if host.k else []
        half = len(patches) > len(numbers)
        banks = {
            n: _bank(model, crop_planes(whole, patches[n]), crop_planes(classes, patches[n]), half)
            for n in numbers
        }
        total, weights = torch.zeros(height, width), torch.zeros(height, width)
        for number, patch in enumerate(patches):
            rows = slice(patch.top, min(patch.top + patch.side, height))
            columns = slice(patch.left, min(patch.left + patch.side, width))
            window = torch.from_numpy(blend_window(patch, (width, height), host.overlap))
            window = window[: rows.stop - rows.start, : columns.stop - columns.start]
            part = (values[rows, columns] == 255).float()
            if bool((values[rows, columns] == 128).any()):
                others = [bank for n, bank in banks.items() if n != number]
                parts = crop_planes(whole, patch), crop_planes(classes, patch)
                alpha = _matte(model, *parts, others, half)[0, 0]
                part = alpha[: rows.stop - rows.start, : columns.stop - columns.start]
            total[rows, columns] += window * part
            weights[rows, columns] += window
        return (total / weights).clamp(0, 1).numpy()

    def pool(self, picture: Bytes, answer: dict[str, Floats]) -> Pool:
        """See :class:`Cut`; contexts are chosen by made-up vectors."""
        ramp = np.arange(8 * 16, dtype=np.int64).reshape(8, 16)
        vectors = ((ramp * 37 + ramp // 16 * 11) % 64 - 32).astype(np.float32) / 32
        return {"picture": picture, "query_vector": vectors[0], "context_vectors": vectors}


CUT = HDMattCut()


def _bank(model: HDMatt, image: Tensor, trimap: Tensor, half: bool) -> Bank:
    bank = model.bank(image, trimap)
    if not half:
        return bank
    key, value, own = (x.half().float() for x in bank[:3])
    return bank._replace(key=key, value=value, own=own)


def _matte(model: HDMatt, image: Tensor, trimap: Tensor, others: list[Bank], half: bool) -> Tensor:
    if model.context is None:
        alpha: Tensor = model(image, trimap)
        return alpha
    mine = _bank(model, image, trimap, half)
    pool = (
        Bank(*(torch.stack(x, dim=1) for x in zip(*others, strict=True)))
        if others
        else Bank(*(x[:, None][:, :0] for x in mine))
    )
    _, skips = model.encoder(image, trimap)
    gathered = model.attend(mine.key, mine.own, mine.mask, model.choose(mine.query, pool))
    return model.matte(gathered, skips, trimap)
