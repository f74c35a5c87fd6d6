"""Pipelines, which turn a picture into alpha, and joining one with a source of trimaps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from edgematte.arrays import Bytes, Floats
from edgematte.builtin import IMPORTED
from edgematte.host import Host, StageHost
from edgematte.manifest import STAGE
from edgematte.net import Variant, load_part
from edgematte.runtime.engines.graph import GraphCall, need
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import (
    Carrying,
    EstimatedTrimap,
    Estimator,
    GivenTrimap,
    OwnTrimap,
    TrimapSource,
)
from edgematte.runtime.host.trimap_stage import TrimapStage


class Pipeline(Protocol):
    """Picture (H, W, 3) uint8 RGB, trimap (H, W) or None -> alpha (H, W), trimap (H, W)."""

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """Run host steps and graphs; ``clock`` times the stages.

        The trimap is never None for a net that needs one.
        """


@dataclass(frozen=True)
class Sourced:
    """A net's pipeline with the source of its trimaps."""

    model: str
    pipeline: Pipeline
    source: TrimapSource

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """As :class:`Pipeline`.

        Raises:
            OptionError: no trimap for a net that needs one, and nothing to estimate it with.
        """
        return self.pipeline(picture, self.source(picture, trimap, clock), clock)

    @property
    def carrying(self) -> Carrying | None:
        """The trimap stage, if it takes something from each frame of a clip to the next."""
        estimate = self.source.estimate if isinstance(self.source, EstimatedTrimap) else None
        return estimate if isinstance(estimate, Carrying) else None

    def of_clip(self) -> "Sourced":
        """The same for the frames of one clip, in their order."""
        stage = self.carrying
        return self if stage is None else replace(self, source=EstimatedTrimap(stage.clip()))

    def trimap(self, picture: Bytes, given: Bytes | None, clock: Clock) -> Bytes:
        """The given trimap, or an estimated one, for nets that need one."""
        trimap = self.source(picture, given, clock)
        assert trimap is not None
        return trimap


def pipeline_for(
    variant: Variant,
    host: Host,
    graphs: Mapping[str, GraphCall],
    *,
    stage: Host | None = None,
    estimate: Estimator | None = None,
    options: Any = None,
) -> Sourced:
    """The pipeline of a bundle's model, with a source of trimaps.

    Args:
        variant: the variant of the model.
        host: its host section.
        graphs: all graphs of the bundle.
        stage: the host section of the trimap stage, where the bundle has one.
        estimate: estimates trimaps where the bundle has no trimap stage.
        options: load options of the net; by default none are given.

    Raises:
        BundleError: a graph that the pipeline needs is missing.
    """
    pipeline: Pipeline = load_part(variant.net.pipeline)(host, graphs, options)
    if stage is not None:
        need(graphs, STAGE, stage.cut)
        estimate = stage_for(stage, graphs[STAGE])
    source: TrimapSource = OwnTrimap()
    if variant.net.needs_trimap:
        source = GivenTrimap(variant.name) if estimate is None else EstimatedTrimap(estimate)
    return Sourced(variant.name, pipeline, source)


def stage_for(stage: Host, graph: GraphCall) -> Estimator:
    """The trimap stage of a bundle, by its host section."""
    if isinstance(stage, StageHost):
        return TrimapStage(stage, graph)
    net = next(net for net in IMPORTED if stage.cut in net.hosts)
    estimator: Estimator = load_part(net.estimator)(stage, graph)
    return estimator
