"""The check with PyTorch at hand: goldens computed now instead of read from the bundle."""

import importlib
from pathlib import Path

from edgematte.check.goldens import Goldens, read
from edgematte.checkpoint import config_of, load_model
from edgematte.errors import CheckpointError
from edgematte.export.cuts.trimap_stage import stage_graph
from edgematte.export.frames import sized_graphs
from edgematte.export.record import record
from edgematte.manifest import Difference
from edgematte.registry import family
from edgematte.runtime.bundle import Bundle


def record_live(bundle: Bundle, weights: Path | None) -> tuple[Goldens, Difference]:
    """Run PyTorch with a checkpoint (None: the shipped one) on the bundle's own picture.

    Raises:
        CheckpointError: weights that do not fit, or of another configuration than the bundle's.
    """
    manifest = bundle.manifest
    chosen = family(manifest.model)
    model, _ = load_model(chosen, weights)
    if config_of(model) != manifest.config:
        raise CheckpointError(
            f"the bundle's model has options {manifest.config}, the weights' {config_of(model)}"
        )
    cut = importlib.import_module(chosen.cut_module)
    graphs = sized_graphs(cut, model, manifest.host)
    stage = manifest.trimap_stage
    if stage is not None:
        graphs = [*graphs, stage_graph(stage)]
    known = read(bundle.path, {g.name: g for g in manifest.graphs})
    trimap = known.trimap if chosen.needs_trimap and stage is None else None
    return record(chosen, model, graphs, manifest.host, known.picture, trimap=trimap, stage=stage)
