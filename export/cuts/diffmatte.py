"""DiffMatte's cuts: ENCODE(picture) once | host | DENOISE in every step, whole or on tiles."""

from typing import Any

from torch import Tensor, nn

from edgematte.arrays import Bytes, Floats
from edgematte.check.steps import compare_steps, step_table
from edgematte.errors import OptionError
from edgematte.export.capture import TorchGraph
from edgematte.export.cut import Cut, Pool
from edgematte.export.cuts.diffmatte_reference import reference_steps
from edgematte.export.cuts.sized_vit import SizedViT
from edgematte.manifest import Graph
from edgematte.manifest import Tensor as Spec
from edgematte.models.diffmatte.network import DiffMatte
from edgematte.models.vit.network import ViT
from edgematte.runtime.matter import Matter
from edgematte.runtime.nets.diffmatte.diffusion import STEPS
from edgematte.runtime.nets.diffmatte.host import DiffusionHost, Sizes, TilesHost, WholeHost

CONTEXT = 128
UNIT = (0.0, 1.0)
ANY = (-65504.0, 65504.0)


class Encode(nn.Module):
    """Graph of the encoder."""

    def __init__(self, model: DiffMatte, size: tuple[int, int]) -> None:
        """Shares the model's weights; ``size`` is (width, height)."""
        super().__init__()
        self.model = model
        self.encoder = model.encoder
        if isinstance(model.encoder, ViT):
            self.encoder = SizedViT(model.encoder, size)

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """Both (1, 3, H, W) -> (1, C, h, w)."""
        feature: Tensor = self.encoder(self.model.picture(image, trimap))
        return feature


class Denoise(nn.Module):
    """Graph of the texture decoder."""

    def __init__(self, model: DiffMatte) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, feature: Tensor, condition: Tensor, time: Tensor) -> Tensor:
        """(1, C, h, w), (1, 7, H, W), (1,) -> x_0 (1, 1, H, W)."""
        return self.model.denoise(feature, condition, time)


class DiffMatteCut(Cut):
    """DiffMatte in two cuts: the denoiser on whole frames, or on tiles of them."""

    def refuse(self, kind: str, size: tuple[int, int], sizes: Sizes) -> None:
        """Refuse tiles larger than a frame, and a context of more than half a frame."""
        if (sizes.context or 0) > min(size) // 2:
            raise OptionError(
                f"context {sizes.context}: at most half a frame, {min(size) // 2} pixels"
            )
        if kind == TilesHost.KIND and sizes.patch > min(size):
            raise OptionError(
                f"patch {sizes.patch} is larger than the frame of {size[0]}x{size[1]}"
            )

    def host(
        self, kind: str, size: tuple[int, int], sizes: Sizes, model: nn.Module
    ) -> DiffusionHost:
        """See :class:`Cut`.

        A tile is ``patch`` pixels wide, with a margin of ``overlap`` pixels at each border. A
        picture larger than a frame is cut into frames that share ``context`` pixels, at most half a
        frame; with a ``context`` of 0 it is reduced instead.
        """
        assert isinstance(model, DiffMatte)
        least = 2 * sizes.overlap + model.stride
        if kind == TilesHost.KIND and least > sizes.patch:
            raise OptionError(
                f"patch {sizes.patch}: at least {least}, of which {sizes.overlap} pixels at each "
                "border are margin (overlap)"
            )
        context = CONTEXT if sizes.context is None else sizes.context
        shared: dict[str, Any] = {
            "size": size,
            "feature_px": model.stride,
            "steps": STEPS,
            "seed": 0,
            "clamp_foreground": False,
            "context": min(context, min(size) // 2) or None,
        }
        if kind == WholeHost.KIND:
            return WholeHost(**shared)
        return TilesHost(**shared, patch=sizes.patch, overlap=sizes.overlap)

    def graphs(self, model: nn.Module, host: DiffusionHost) -> list[TorchGraph]:
        """See :class:`Cut`."""
        assert isinstance(model, DiffMatte)
        width, height = host.size
        image = Spec("image", (1, 3, height, width), "float32", "NCHW", UNIT, "RGB bytes / 255")
        meaning = "background, unknown, foreground: one is 1, none around the picture"
        trimap = Spec("trimap", (1, 3, height, width), "float32", "NCHW", UNIT, meaning)
        encode = Graph("encode", (image, trimap), (_feature(model, host.size),))
        part = (host.patch, host.patch) if isinstance(host, TilesHost) else host.size
        meaning = "2 normalised RGB - 1, 2 one-hot trimap - 1, noisy matte over its deviation"
        condition = Spec("condition", (1, 7, part[1], part[0]), "float32", "NCHW", ANY, meaning)
        time = Spec("time", (1,), "float32", "N", UNIT, "1 is noise alone")
        matte = Spec(
            "matte", (1, 1, part[1], part[0]), "float32", "NCHW", (-1.0, 1.0), "x_0 = 2 alpha - 1"
        )
        denoise = Graph("denoise", (_feature(model, part), condition, time), (matte,))
        return [TorchGraph(encode, Encode(model, host.size)), TorchGraph(denoise, Denoise(model))]

    def reference(
        self, model: nn.Module, host: DiffusionHost, picture: Bytes, reduced: Bytes, trimap: Bytes
    ) -> Floats:
        """See :class:`Cut`; written as a plain loop, with torch's own padding."""
        assert isinstance(model, DiffMatte)
        return reference_steps(model, host, picture, trimap)[-1]

    def pool(self, picture: Bytes, answer: dict[str, Floats]) -> Pool:
        """See :class:`Cut`."""
        return {"picture": picture}

    def report(
        self, model: nn.Module, host: DiffusionHost, matter: Matter, picture: Bytes, trimap: Bytes
    ) -> list[str]:
        """See :class:`Cut`: how far the bundle is from PyTorch after every step."""
        assert isinstance(model, DiffMatte)
        expected = reference_steps(model, host, picture, trimap)
        alphas = [matte.alpha for matte in matter.refine(picture, trimap)]
        errors = compare_steps(expected[: len(alphas)], alphas, trimap)
        growth = errors[-1].mean_abs / max(errors[0].mean_abs, 1e-12)
        return [
            "## Steps",
            "",
            f"Alpha of {matter.engine} against PyTorch's after each step; the mean after the last "
            f"is {growth:.2f} times that after the first.",
            "",
            *step_table(errors),
        ]


CUT = DiffMatteCut()


def _feature(model: DiffMatte, size: tuple[int, int]) -> Spec:
    width, height = (side // model.stride for side in size)
    return Spec("feature", (1, model.channels, height, width), "float32", "NCHW", ANY, "features")
