"""Host side of the lightweight net: fused cut (one graph) and split cut (any resolution)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import BundleError, OptionError
from edgematte.manifest import Host
from edgematte.runtime.clock import Clock
from edgematte.runtime.graph import GraphCall
from edgematte.runtime.patches import Patch, Stitcher, crop, mirrored, patch_grid, walk
from edgematte.runtime.pipeline import Pipeline, Step, to_input
from edgematte.runtime.resize import resize_picture, resize_planes
from edgematte.runtime.trimap import (
    FOREGROUND,
    UNKNOWN,
    estimate_trimap,
    trimap_probabilities,
)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


GRAPHS = {"fused": ("matte",), "split": ("segment", "refine")}


def pipeline(host: Host, graphs: Mapping[str, GraphCall]) -> Pipeline:
    """The pipeline of the cut that ``host`` names.

    Raises:
        BundleError: graphs or parameters that no export of this net writes.
    """
    _check(host)
    if missing := [name for name in GRAPHS[host.cut] if name not in graphs]:
        raise BundleError(f"the {host.cut} cut needs a graph {missing[0]!r}; the bundle has none")
    return Fused(host, graphs) if host.cut == "fused" else Split(host, graphs)


class Fused:
    """Reduce the picture, one graph, enlarge alpha."""

    def __init__(self, host: Host, graphs: Mapping[str, GraphCall]) -> None:
        """``graphs`` holds ``matte``: image -> alpha, trimap."""
        self.host, self.graph = host, graphs["matte"]

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`. A given trimap is refused: this cut has nowhere to put it."""
        if trimap is not None:
            raise OptionError(
                "this bundle is one fused graph and takes no trimap; use --graphs split"
            )
        size = picture.shape[1], picture.shape[0]
        with clock("host.reduce"):
            image = to_input(resize_picture(picture, self.host.size))
        with clock("graph.matte"):
            found = self.graph(image=image)
        with clock("host.enlarge"):
            alpha = enlarge(found["alpha"][0], size)
        with clock("host.trimap"):
            trimap = _estimate(self.host, found["trimap"][0], size)
        return alpha, trimap


class Split:
    """SN on the reduced picture; MRN on the full-resolution patches that hold unknown pixels."""

    def __init__(self, host: Host, graphs: Mapping[str, GraphCall]) -> None:
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
                trimap = _estimate(host, probabilities, size)
        side, overlap = _patch(host)
        stitcher = Stitcher(size, side, overlap)
        for patch in patches_of(host, trimap):
            known = _window(trimap, patch)
            if not (known == UNKNOWN).any():
                with clock("host.stitch"):
                    stitcher.add(patch, known_alpha(known, side))
                continue
            with clock("host.crop"):
                image = to_input(crop(picture, patch).astype(np.uint8, copy=False))
                classes = probability_patch(probabilities, trimap, patch, size)
            with clock("graph.refine"):
                alpha = self.refine(image=image, trimap=classes[None])["alpha"][0, 0]
            with clock("host.stitch"):
                stitcher.add(patch, alpha)
        with clock("host.stitch"):
            return stitcher.finish(), trimap


def enlarge(alpha: Floats, size: tuple[int, int]) -> Floats:
    """Alpha (1, h, w) -> (H, W) in [0, 1]; ``size`` is (W, H)."""
    whole: Floats = resize_planes(alpha, size)[0]
    np.clip(whole, 0, 1, out=whole)
    return whole


def known_alpha(trimap: Bytes, side: int) -> Floats | float:
    """Alpha of a patch without unknown pixels: one value, or (side, side) if classes meet in it."""
    foreground = trimap == FOREGROUND
    if foreground.all() or not foreground.any():
        return float(foreground.flat[0])
    alpha = np.zeros((side, side), np.float32)
    alpha[: trimap.shape[0], : trimap.shape[1]] = foreground
    return alpha


def probability_patch(
    probabilities: Floats | None, trimap: Bytes, patch: Patch, size: tuple[int, int]
) -> Floats:
    """Class probabilities (3, side, side) of one patch.

    From SN's ``probabilities`` (3, h, w), enlarged bilinearly to the picture's ``size`` (W, H); or,
    where they are None, one-hot from the ``trimap`` (H, W) that was given. Beyond the border they
    are reflected as the picture is.
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
    if (wide, tall) == (patch.side, patch.side):
        return planes
    return planes[:, (rows - top)[:, None], columns - left]


def patches_of(host: Host, trimap: Bytes) -> list[Patch]:
    """The patches that a picture's alpha is stitched from; ``trimap`` (H, W) is the picture's."""
    if host.cut == "fused":
        return []
    side, overlap = _patch(host)
    return list(walk(patch_grid((trimap.shape[1], trimap.shape[0]), side, overlap)))


def host_steps(host: Host) -> dict[str, Step]:
    """Every host step as a function of named arrays, for golden records and ports of the host."""

    def reduce(picture: Bytes) -> dict[str, NDArray[Any]]:
        return {"reduced": resize_picture(picture, host.size)}

    def trimap(probabilities: Floats, size: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        return {"trimap": _estimate(host, probabilities, (int(size[0]), int(size[1])))}

    def enlarged(reduced_alpha: Floats, size: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        return {"alpha": enlarge(reduced_alpha, (int(size[0]), int(size[1])))}

    _check(host)
    if host.cut == "fused":
        return {"reduce": reduce, "trimap": trimap, "enlarge": enlarged}
    side, overlap = _patch(host)

    def patches(trimap: Bytes) -> dict[str, NDArray[Any]]:
        grid = patches_of(host, trimap)
        refined = [bool((_window(trimap, p) == UNKNOWN).any()) for p in grid]
        boxes = np.array([(p.left, p.top, p.side) for p in grid], np.int32)
        return {"patches": boxes, "refined": np.array(refined)}

    def cut(
        picture: Bytes, trimap: Bytes, probabilities: Floats, patch: NDArray[np.int32]
    ) -> dict[str, NDArray[Any]]:
        where = Patch(*(int(n) for n in patch))
        size = picture.shape[1], picture.shape[0]
        return {
            "picture_patch": crop(picture, where),
            "probability_patch": probability_patch(probabilities, trimap, where, size),
        }

    def stitch(
        patches: NDArray[np.int32], alphas: Floats, size: NDArray[np.int32]
    ) -> dict[str, Any]:
        stitcher = Stitcher((int(size[0]), int(size[1])), side, overlap)
        for row, alpha in zip(patches, alphas, strict=True):
            stitcher.add(Patch(*(int(n) for n in row)), alpha)
        return {"alpha": stitcher.finish()}

    return {"reduce": reduce, "trimap": trimap, "patches": patches, "crop": cut, "stitch": stitch}


def _check(host: Host) -> None:
    if host.cut not in GRAPHS:
        raise BundleError(f"unknown cut {host.cut!r}; there are: {', '.join(GRAPHS)}")
    if min(host.size) < 1:
        raise BundleError(f"size {list(host.size)}: both sides should be at least 1")
    if host.unknown_threshold is None or host.band_px is None or host.band_px < 0:
        raise BundleError("the host needs unknown_threshold, and band_px of at least 0")
    if host.cut == "split" and not (
        host.patch is not None and host.overlap is not None and 0 <= host.overlap < host.patch
    ):
        raise BundleError(
            f"patch {host.patch}, overlap {host.overlap}: the overlap should be less than the patch"
        )


def _estimate(host: Host, probabilities: Floats, size: tuple[int, int]) -> Bytes:
    assert host.unknown_threshold is not None and host.band_px is not None
    return estimate_trimap(
        probabilities, size, unknown_threshold=host.unknown_threshold, band_px=host.band_px
    )


def _patch(host: Host) -> tuple[int, int]:
    assert host.patch is not None and host.overlap is not None
    return host.patch, host.overlap


def _window(trimap: Bytes, patch: Patch) -> Bytes:
    return trimap[patch.top : patch.top + patch.side, patch.left : patch.left + patch.side]
