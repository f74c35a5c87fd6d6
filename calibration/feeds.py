"""The inputs that each graph receives when host steps run on its reference, recorded to disk."""

import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.atomic import atomic_folder
from edgematte.cache import cache_folder, empty
from edgematte.calibration.pictures import calibration_set
from edgematte.export.estimator import estimates_with_default, estimator_for
from edgematte.export.float_graph import Reference
from edgematte.export.int8 import Int8
from edgematte.host import Host
from edgematte.manifest import FILE
from edgematte.net import Variant
from edgematte.progress import Progress, silent
from edgematte.runtime.bundle import DEFAULT, sha256_file
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.pipeline import pipeline_for

CALLS = 4  # kept for each graph and picture, so that a large picture does not outweigh the others


class GraphFeeds:
    """The recorded calls of one graph; can be iterated over any number of times."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)

    def __len__(self) -> int:
        """How many calls there are."""
        return len(self.files)

    def __iter__(self) -> Iterator[dict[str, Floats]]:
        """Float32 arrays by name, one call after the other; each is read when it is needed."""
        for file in self.files:
            with np.load(file) as stored:
                yield {name: _unit(stored[name]) for name in stored.files}


def picture_feeds(
    variant: Variant,
    host: Host,
    graphs: Sequence[Reference],
    settings: Int8,
    stage: Host | None = None,
    progress: Progress = silent,
) -> dict[str, GraphFeeds]:
    """The calls that all pictures of the settings make; see :func:`record_feeds`."""
    found = calibration_set(settings.pictures, limit=settings.limit, seed=settings.seed)
    if found.skipped:
        progress(f"{len(found.skipped)} pictures could not be read: {found.skipped[0]}")
    pictures = (*found.calibrating, *found.held_out)
    key = {"pictures": found.sha256, "which": "all"}
    return record_feeds(
        variant, host, graphs, pictures, key, seed=settings.seed, stage=stage, progress=progress
    )


def record_feeds(
    variant: Variant,
    host: Host,
    graphs: Sequence[Reference],
    pictures: Sequence[Bytes],
    key: Mapping[str, str],
    *,
    seed: int = 0,
    stage: Host | None = None,
    progress: Progress = silent,
) -> dict[str, GraphFeeds]:
    """Record the calls of every graph, or read them back if the same was recorded before.

    They are the same if the version of edgematte, the weights of all graphs, the pictures and,
    where it estimates the trimaps, the default bundle are the same.

    Args:
        variant: the variant of the model.
        host: the host section of the cut.
        graphs: the references of all graphs.
        pictures: uint8 (H, W, 3), run one at a time.
        key: what else the calls depend on, such as a hash of the pictures.
        seed: seed of the choice among the calls that one picture makes.
        stage: the host section of the trimap stage, where there is one.
        progress: called after each picture.
    """
    parts = {**key, "host": asdict(host), "seed": seed, "calls": CALLS}
    parts |= {
        "edgematte": version("edgematte"),
        "graphs": {g.graph.name: g.fingerprint for g in graphs},
    }
    if stage is not None:
        parts["stage"] = asdict(stage)
    if estimates_with_default(variant, stage):
        parts["default bundle"] = sha256_file(DEFAULT / FILE)  # it lists hashes of the others
    text = json.dumps(parts, sort_keys=True)
    folder = cache() / hashlib.sha256(text.encode()).hexdigest()[:32]
    if folder.is_dir():
        os.utime(folder)  # age is counted from the last use
    empty(cache())
    if not folder.is_dir():
        with atomic_folder(folder, shared=True) as place:
            _record(variant, host, graphs, pictures, place, seed, stage, progress)
    return {g.graph.name: GraphFeeds(sorted(folder.glob(f"{g.graph.name}-*.npz"))) for g in graphs}


def cache() -> Path:
    """Where recorded calls are kept; see :mod:`edgematte.cache`."""
    folder = cache_folder("calibration")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _record(
    variant: Variant,
    host: Host,
    graphs: Sequence[Reference],
    pictures: Sequence[Bytes],
    folder: Path,
    seed: int,
    stage: Host | None,
    progress: Progress,
) -> None:
    calls = {graph.graph.name: graph for graph in graphs}
    pipeline = pipeline_for(
        variant, host, calls, stage=stage, estimate=estimator_for(variant, stage)
    )
    chance = random.Random(seed)
    for number, picture in enumerate(pictures):
        for call in calls.values():
            call.remember = True
        pipeline(picture, None, Clock())
        for name, call in calls.items():
            _keep(call, folder, f"{name}-{number:04d}", chance)
        progress("calibration pictures", number + 1, len(pictures))


def _keep(call: Reference, folder: Path, name: str, chance: random.Random) -> None:
    seen = call.calls
    for place in sorted(chance.sample(range(len(seen)), min(CALLS, len(seen)))):
        arrays: dict[str, Any] = {k: _small(v) for k, v in seen[place].items()}
        np.savez(folder / f"{name}-{place:04d}.npz", **arrays)
    seen.clear()


def _small(value: Floats) -> NDArray[Any]:
    """Bytes if all values are bytes / 255; else half floats, which are finer than 8-bit steps."""
    steps = np.rint(value * 255)
    if np.array_equal((steps * np.float32(1 / 255)).astype(np.float32), value):
        return steps.astype(np.uint8)
    return value.astype(np.float16)


def _unit(value: NDArray[Any]) -> Floats:
    scale = np.float32(1 / 255 if value.dtype == np.uint8 else 1)
    unit: Floats = value.astype(np.float32) * scale
    return unit
