"""The check with PyTorch: goldens are computed now instead of being read from the bundle."""

from dataclasses import replace
from pathlib import Path

from edgematte.arrays import Bytes
from edgematte.checkpoint import config_of, load_model
from edgematte.errors import CheckpointError
from edgematte.export.capture import TorchGraph
from edgematte.export.frames import sized_graphs
from edgematte.export.imported_stage import RecordedCall
from edgematte.export.record import record
from edgematte.host import StageHost
from edgematte.manifest import STAGE, Difference, Weights
from edgematte.net import load_part
from edgematte.nets import find, usable_variants
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.proof.goldens import Goldens, read


def record_live(
    bundle: Bundle,
    weights: Path | None,
    picture: Bytes | None = None,
    trimap: Bytes | None = None,
) -> tuple[Goldens, Difference]:
    """Run PyTorch with a checkpoint (None: the shipped one) on the bundle's own picture.

    ``picture`` (H, W, 3), with a ``trimap`` (H, W) for nets that are given theirs, is taken
    instead.

    Raises:
        CheckpointError: the weights do not fit, or have another configuration than the bundle.
    """
    manifest = bundle.manifest
    variant = find(manifest.model)
    if variant.net.imported:
        raise CheckpointError(
            "the bundle was imported from an ONNX file and has no PyTorch network to run: check it "
            "without weights"
        )
    model, _ = load_model(variant, weights)
    if config_of(model) != manifest.config:
        raise CheckpointError(
            f"the bundle's model has options {manifest.config}, the weights' {config_of(model)}"
        )
    graphs = sized_graphs(load_part(variant.net.cut), model, manifest.host)
    stage = manifest.trimap_stage
    imported = None
    if isinstance(stage, StageHost):
        graphs = [*graphs, _stage_graph(stage, manifest.stage_weights)]
    elif stage is not None:
        imported = RecordedCall(manifest.graph(STAGE), bundle, stage)
    if picture is None:
        recorded = read(bundle.path, {g.name: g for g in manifest.graphs})
        picture = recorded.picture
        trimap = recorded.trimap if variant.net.needs_trimap and stage is None else None
    return record(
        variant, model, graphs, manifest.host, picture,
        trimap=trimap, stage=stage, imported=imported,
    )  # fmt: skip


def _stage_graph(stage: StageHost, weights: Weights | None) -> TorchGraph:
    """The graph of the trimap stage, of the net whose stage has this host section and weights.

    Bundles from before the weights were recorded have None.
    """
    for variant in usable_variants().values():
        if variant.estimates:
            host, graph, own = load_part(variant.net.stage)(variant, stage.band_px)
            alike = replace(host, unknown_threshold=stage.unknown_threshold) == stage
            if alike and (weights is None or weights.sha256 == own.sha256):
                made: TorchGraph = graph
                return made
    raise CheckpointError("no net that is here has the trimap stage of this bundle")
