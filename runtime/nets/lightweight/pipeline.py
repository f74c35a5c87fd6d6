"""Host side of the lightweight net: fused cut (one graph) and split cut (any resolution)."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import compress

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.host import TrimapHost
from edgematte.runtime.engines.graph import GraphCall, answers, need
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.patches import (
    Patch,
    crop,
    known_alpha,
    mirrored,
    unknown_in,
    window,
)
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.resize import resize_picture, resize_planes
from edgematte.runtime.host.trimap import estimate_trimap, trimap_probabilities
from edgematte.runtime.nets.lightweight.host import FusedHost, SplitHost
from edgematte.runtime.nets.lightweight.patches import patches_for, stitcher_for

GRAPHS = {"fused": ("matte",), "split": ("segment", "refine")}


def pipeline(
    host: FusedHost | SplitHost, graphs: Mapping[str, GraphCall], options: object = None
) -> "Fused | Split":
    """The pipeline of a cut; this net has no options.

    Raises:
        BundleError: a graph is missing.
    """
    for name in GRAPHS[host.cut]:
        need(graphs, name, host.cut)
    return Split(host, graphs) if isinstance(host, SplitHost) else Fused(host, graphs)


class Fused:
    """Reduces the picture, runs the one graph, and enlarges alpha."""

    def __init__(self, host: FusedHost, graphs: Mapping[str, GraphCall]) -> None:
        """``graphs`` holds ``matte``: image -> alpha, trimap."""
        self.host, self.graph = host, graphs["matte"]

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`. A given trimap is refused: the fused graph has no input for it."""
        if trimap is not None:
            raise OptionError(
                "this bundle is one fused graph and takes no trimap; export the split cut"
            )
        size = picture.shape[1], picture.shape[0]
        with clock("host.reduce"):
            image = to_input(resize_picture(picture, self.host.size))
        with clock("graph.matte"):
            answer = self.graph(image=image)
        with clock("host.enlarge"):
            alpha = enlarge(answer["alpha"][0], size)
        with clock("host.trimap"):
            trimap = estimate(self.host, answer["trimap"][0], size)
        return alpha, trimap


class Split:
    """SN on the reduced picture; MRN on the full-resolution patches that hold unknown pixels."""

    def __init__(self, host: SplitHost, graphs: Mapping[str, GraphCall]) -> None:
        """``graphs`` holds ``segment``: image -> trimap, and ``refine``: image, trimap -> alpha."""
        self.host, self.segment, self.refine = host, graphs["segment"], graphs["refine"]

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`. A given trimap replaces SN's answer."""
        host = self.host
        size = picture.shape[1], picture.shape[0]
        probabilities = None
        if trimap is None:
            with clock("host.reduce"):
                image = to_input(resize_picture(picture, host.size))
            with clock("graph.segment"):
                probabilities = self.segment(image=image)["trimap"][0]
            with clock("host.trimap"):
                trimap = estimate(host, probabilities, size)
        with clock("host.stitch"):
            patches = patches_for(host, trimap)
            unknown = unknown_in(trimap, patches)
            stitcher = stitcher_for(host, trimap)

        def given() -> Iterator[dict[str, Floats]]:
            for patch in compress(patches, unknown):
                with clock("host.crop"):
                    image = to_input(crop(picture, patch).astype(np.uint8, copy=False))
                    classes = probability_patch(probabilities, trimap, patch, size)[None]
                yield {"image": image, "trimap": classes}

        timed = partial(clock, "graph.refine")
        with closing(answers(self.refine, given(), int(unknown.sum()), timed)) as refined:
            for patch, runs in zip(patches, unknown.tolist(), strict=True):
                alpha = next(refined)["alpha"][0, 0] if runs else None
                with clock("host.stitch"):
                    if alpha is None:
                        alpha = known_alpha(window(trimap, patch), host.patch)
                    stitcher.add(patch, alpha)
        with clock("host.stitch"):
            return stitcher.finish(), trimap


def enlarge(alpha: Floats, size: tuple[int, int]) -> Floats:
    """Alpha (1, h, w) -> (H, W) in [0, 1]; ``size`` is (W, H)."""
    whole: Floats = resize_planes(alpha, size)[0]
    np.clip(whole, 0, 1, out=whole)
    return whole


def probability_patch(
    probabilities: Floats | None, trimap: Bytes, patch: Patch, size: tuple[int, int]
) -> Floats:
    """Class probabilities (3, side, side) of one patch.

    They are SN's ``probabilities`` (3, h, w), enlarged bilinearly to the picture's ``size`` (W, H);
    where those are None, the one-hot classes of the given ``trimap`` (H, W). Beyond the border they
    are reflected, as the picture is.
    """
    if probabilities is None:
        return trimap_probabilities(crop(trimap, patch).astype(np.uint8, copy=False))
    columns, rows = (
        mirrored(start, start + patch.side, length)
        for start, length in zip((patch.left, patch.top), size, strict=True)
    )
    left, top = int(columns.min()), int(rows.min())
    wide, tall = int(columns.max()) + 1 - left, int(rows.max()) + 1 - top
    across, down = probabilities.shape[2] / size[0], probabilities.shape[1] / size[1]
    box = (left * across, top * down, (left + wide) * across, (top + tall) * down)
    planes = resize_planes(probabilities, (wide, tall), box)
    if tall < patch.height:
        planes = planes.take(rows - top, 1)
    return planes.take(columns - left, 2) if wide < patch.side else planes


def estimate(host: TrimapHost, probabilities: Floats, size: tuple[int, int]) -> Bytes:
    """SN's probabilities (3, h, w) -> trimap (H, W); ``size`` is (W, H)."""
    return estimate_trimap(
        probabilities, size, unknown_threshold=host.unknown_threshold, band_px=host.band_px
    )
