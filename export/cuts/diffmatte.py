"""DiffMatte's cuts: ENCODE(picture) once | host | DENOISE in every step, whole or on tiles."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from edgematte.check.steps import compare_steps, step_table
from edgematte.errors import OptionError
from edgematte.export.capture import TorchGraph
from edgematte.export.cuts.diffmatte_reference import reference_steps
from edgematte.export.cuts.sized_vit import SizedViT
from edgematte.manifest import Graph, Host
from edgematte.manifest import Tensor as Spec
from edgematte.models.diffmatte import DiffMatte
from edgematte.models.vit import ViT
from edgematte.runtime.diffusion import STEPS
from edgematte.runtime.matter import Matter

CUTS = ("whole", "tiles")
SIZES = {"patch": 128, "overlap": 16, "context": 128}
"""Side of a tile and its margin, *chosen*: `benchmarks/diffusion.py` prints what others cost; and
what frames of larger pictures share: `benchmarks/frames.py`."""
UNUSED = {"whole": ("patch", "overlap")}
PADS = True
UNIT = (0.0, 1.0)
ANY = (-65504.0, 65504.0)


def check_sizes(size: tuple[int, int], given: Mapping[str, int]) -> None:
    """Refuse a context that was asked for and that frames cannot have; the default one shrinks.

    Raises:
        OptionError: more than half a frame.
    """
    if given.get("context", 0) > min(size) // 2:
        raise OptionError(
            f"--context {given['context']}: at most half a frame, {min(size) // 2} pixels"
        )


class Encode(nn.Module):
    """The encoder."""

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
    """The texture decoder."""

    def __init__(self, model: DiffMatte) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.model = model

    def forward(self, feature: Tensor, condition: Tensor, time: Tensor) -> Tensor:
        """(1, C, h, w), (1, 7, H, W), (1,) -> x_0 (1, 1, H, W)."""
        return self.model.denoise(feature, condition, time)


def host(cut: str, size: tuple[int, int], patch: int, overlap: int, context: int = 128) -> Host:
    """The host parameters but for those of the model; ``size`` is (width, height).

    Of a tile of ``patch`` pixels ``overlap`` at each border are margin. Frames of a picture that is
    larger share ``context`` pixels, at most half a frame; with 0 the picture is reduced instead.

    Raises:
        OptionError: tiles larger than the frame.
    """
    shared = min(context, min(size) // 2) or None
    base = Host(cut, size, steps=STEPS, seed=0, clamp_foreground=False, context=shared)
    if cut == "whole":
        return base
    if patch > min(size):
        raise OptionError(f"patch {patch} is larger than the frame of {size[0]}x{size[1]}")
    return replace(base, patch=patch, overlap=overlap)


def complete(host: Host, model: DiffMatte) -> Host:
    """The host parameters with what the model decides.

    Raises:
        OptionError: tiles that are all margin.
    """
    host = replace(host, feature_px=model.stride)
    if host.patch is None:
        return host
    assert host.overlap is not None
    least = 2 * host.overlap + model.stride
    if least > host.patch:
        raise OptionError(
            f"patch {host.patch}: at least {least}, of which {host.overlap} pixels at each border "
            "are margin (--overlap)"
        )
    return host


def graphs(model: DiffMatte, host: Host) -> list[TorchGraph]:
    """The modules to capture, with their declared inputs and outputs."""
    width, height = host.size
    image = Spec("image", (1, 3, height, width), "float32", "NCHW", UNIT, "RGB bytes / 255")
    meaning = "background, unknown, foreground: one is 1, none around the picture"
    trimap = Spec("trimap", (1, 3, height, width), "float32", "NCHW", UNIT, meaning)
    encode = Graph("encode", (image, trimap), (_feature(model, host.size),))
    part = host.size if host.patch is None else (host.patch, host.patch)
    meaning = "2 normalised RGB - 1, 2 one-hot trimap - 1, noisy matte over its deviation"
    condition = Spec("condition", (1, 7, part[1], part[0]), "float32", "NCHW", ANY, meaning)
    time = Spec("time", (1,), "float32", "N", UNIT, "1 is noise alone")
    matte = Spec(
        "matte", (1, 1, part[1], part[0]), "float32", "NCHW", (-1.0, 1.0), "x_0 = 2 alpha - 1"
    )
    denoise = Graph("denoise", (_feature(model, part), condition, time), (matte,))
    return [TorchGraph(encode, Encode(model, host.size)), TorchGraph(denoise, Denoise(model))]


def _feature(model: DiffMatte, size: tuple[int, int]) -> Spec:
    width, height = (side // model.stride for side in size)
    return Spec("feature", (1, model.channels, height, width), "float32", "NCHW", ANY, "features")


def reference(
    model: DiffMatte,
    host: Host,
    picture: NDArray[np.uint8],
    reduced: NDArray[np.uint8],
    trimap: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Alpha (H, W) by the training-time forward, a plain loop, and torch's own padding.

    Args:
        model: the trained model.
        host: the cut's parameters.
        picture: uint8 (H, W, 3).
        reduced: of no use here: pictures keep their proportions.
        trimap: uint8 (H, W).
    """
    return reference_steps(model, host, picture, trimap)[-1]


def host_pool(
    picture: NDArray[np.uint8], found: dict[str, NDArray[np.float32]]
) -> dict[str, NDArray[Any]]:
    """What the host steps start from: the picture; the trimap is there already."""
    return {"picture": picture}


def host_input(name: str, pool: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Noisy mattes and what a graph makes of them, as bytes: made up, alike for every port."""
    row, column = np.indices(pool["framed_trimap"].shape)
    if name == "frame_box":
        chosen: NDArray[Any] = pool["frames"][int(np.argmax(pool["run"]))]
        return chosen
    if name == "frame_mattes":
        frames = pool["frames"]
        number, row, column = np.indices((len(frames), frames[0, 3], frames[0, 2]))
        made = row // 2 + column // 4 + 16 * number
    elif name == "noisy":
        made = row * 29 + column * 53
    elif name == "matte":
        made = row // 2 + column // 4
    else:
        assert name == "mattes"
        tiles = pool["tiles"]
        number, row, _ = np.indices((len(tiles), tiles[0, 2], tiles[0, 2]))
        made = row + row // 2 + 16 * number
    return np.asarray(made % 256, np.uint8)


def report(
    model: DiffMatte,
    host: Host,
    matter: Matter,
    picture: NDArray[np.uint8],
    trimap: NDArray[np.uint8],
) -> list[str]:
    """Markdown lines for ``REPORT.md``: how far the bundle is from PyTorch after every step."""
    expected = reference_steps(model, host, picture, trimap)
    found = [matte.alpha for matte in matter.refine(picture, trimap)]
    errors = compare_steps(expected[: len(found)], found, trimap)
    growth = errors[-1].mean_abs / max(errors[0].mean_abs, 1e-12)
    return [
        "## Steps",
        "",
        f"Alpha of {matter.engine} against PyTorch's after each step; the mean after the last is "
        f"{growth:.2f} times that after the first.",
        "",
        *step_table(errors),
    ]
