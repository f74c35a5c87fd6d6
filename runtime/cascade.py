"""Where a trimap comes from: the user, the bundle's trimap stage, or nowhere (an error)."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import BundleError, OptionError
from edgematte.manifest import STAGE, Host
from edgematte.metrics.components import connected_runs
from edgematte.registry import Family
from edgematte.runtime.clock import Clock
from edgematte.runtime.graph import GraphCall
from edgematte.runtime.pipeline import Pipeline, to_input
from edgematte.runtime.resize import resize_picture
from edgematte.runtime.trimap import estimate_trimap

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Estimator = Callable[[Bytes, Clock], Bytes]


def pipeline_for(
    family: Family,
    host: Host,
    graphs: Mapping[str, GraphCall],
    stage: Host | None = None,
    estimate: Estimator | None = None,
) -> Pipeline:
    """The pipeline of a bundle's model; nets that need a trimap get one from somewhere.

    Args:
        family: the model's.
        host: its host parameters.
        graphs: all graphs of the bundle.
        stage: host parameters of the trimap stage, where the bundle has one.
        estimate: picture, clock -> trimap, where it has none.

    Raises:
        BundleError: graphs or parameters that no export writes.
    """
    inner: Pipeline = importlib.import_module(family.host_module).pipeline(host, graphs)
    if stage is not None:
        if STAGE not in graphs:
            raise BundleError(f"the bundle's trimap stage needs a graph {STAGE!r}; it has none")
        estimate = TrimapStage(stage, graphs[STAGE])
    return Cascade(family.name, inner, estimate) if family.needs_trimap else inner


class Cascade:
    """A net that needs a trimap, and what estimates one where none is given."""

    def __init__(self, name: str, inner: Pipeline, estimate: Estimator | None) -> None:
        """``name`` is the model's, for the error where there is neither."""
        self.name, self.inner, self.estimate = name, inner, estimate

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """Picture (H, W, 3), trimap (H, W) or None -> alpha (H, W), trimap (H, W).

        Raises:
            OptionError: no trimap, and nothing to estimate it with.
        """
        return self.inner(picture, self.trimap(picture, trimap, clock), clock)

    def trimap(self, picture: Bytes, given: Bytes | None, clock: Clock) -> Bytes:
        """The trimap given, or an estimated one."""
        if given is not None:
            return given
        if self.estimate is None:
            raise OptionError(
                f"{self.name} needs a trimap: give one (--trimap FILE), or export the model with "
                "--cascade lightweight, which estimates it"
            )
        return self.estimate(picture, clock)


class TrimapStage:
    """The lightweight net's segmentation as an estimator of trimaps."""

    def __init__(self, host: Host, segment: GraphCall) -> None:
        """``segment`` turns (1, 3, h, w) in [0, 1] into probabilities (1, 3, h, w)."""
        if host.unknown_threshold is None or host.band_px is None or host.band_px < 0:
            raise BundleError("the trimap stage needs unknown_threshold and band_px of at least 0")
        self.host, self.segment = host, segment

    def __call__(self, picture: Bytes, clock: Clock) -> Bytes:
        """Picture (H, W, 3) -> trimap (H, W)."""
        host = self.host
        assert host.unknown_threshold is not None and host.band_px is not None
        with clock("host.reduce"):
            reduced = to_input(resize_picture(picture, host.size))
        with clock("graph.trimap_stage"):
            probabilities = self.segment(image=reduced)["trimap"][0]
        with clock("host.trimap"):
            return estimate_trimap(
                without_specks(probabilities, host.speck_share or 0.0),
                (picture.shape[1], picture.shape[0]),
                unknown_threshold=host.unknown_threshold,
                band_px=host.band_px,
            )


def without_specks(probabilities: Floats, share: float) -> Floats:
    """Fill small holes and drop small islands of the subject; a new array where any was found.

    Islands are 4-connected pieces of what is likelier subject (foreground or unknown) than
    background; holes are pieces of the rest. Those of fewer pixels than ``share`` of the picture
    become certain background, and certain foreground.

    Args:
        probabilities: (3, h, w): background, foreground, unknown.
        share: in [0, 1]; 0 leaves all as they are.
    """
    limit = share * probabilities[0].size
    if limit < 1:
        return probabilities
    subject = probabilities[0] < 0.5
    islands = small_pieces(subject, limit)
    holes = small_pieces(~(subject & ~islands), limit)
    if not islands.any() and not holes.any():
        return probabilities
    cleaned = probabilities.copy()
    cleaned[:, islands] = np.array([[1], [0], [0]], np.float32)
    cleaned[:, holes] = np.array([[0], [1], [0]], np.float32)
    return cleaned


def small_pieces(mask: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
    """The pixels of a mask's 4-connected pieces of fewer than ``limit`` pixels."""
    height, width = mask.shape
    runs = connected_runs(mask)
    steps = np.zeros(height * (width + 1) + 1, np.int8)
    if len(runs.starts):
        sizes = np.bincount(runs.component, weights=runs.stops - runs.starts)
        small = sizes[runs.component] < limit
        steps[runs.starts[small]] = 1
        steps[runs.stops[small]] -= 1
    inside: NDArray[np.bool_] = np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)
    return inside.reshape(height, width + 1)[:, :width]


def estimator_for(family: Family, stage: Host | None) -> Estimator | None:
    """What estimates trimaps where a bundle is made: for a net without one, the default bundle."""
    return shipped_estimator() if estimates_with_default(family, stage) else None


def estimates_with_default(family: Family, stage: Host | None) -> bool:
    """Whether trimaps come from the default bundle where a bundle of this net is made."""
    return family.needs_trimap and stage is None


def shipped_estimator() -> Estimator:
    """The embedded default bundle as an estimator."""
    from edgematte.runtime.matter import load

    matter = load()

    def estimate(picture: Bytes, clock: Clock) -> Bytes:
        with clock("host.trimap"):
            return matter(picture).trimap

    return estimate


def stage_host(host: Host, band_px: int | None) -> Host:
    """The trimap stage's parameters, from those of the lightweight net's split cut."""
    return replace(
        host,
        patch=None,
        overlap=None,
        band_px=host.band_px if band_px is None else band_px,
        speck_share=SPECK_SHARE,
    )


SPECK_SHARE = 0.0005
"""*Chosen*: pieces smaller than this share of the picture, 23x23 pixels of a megapixel's, are
noise."""
