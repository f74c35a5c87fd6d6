"""What each graph really receives: host steps on PyTorch's graphs, recorded to disk as they run."""

import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.atomic import atomic_folder
from edgematte.export.capture import TorchGraph
from edgematte.export.torch_graph import TorchCall, torch_calls
from edgematte.manifest import Host
from edgematte.progress import Progress, silent
from edgematte.registry import Family
from edgematte.runtime.cascade import estimator_for, pipeline_for
from edgematte.runtime.clock import Clock

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
CALLS = 4  # kept of one graph and picture: a large picture should not outweigh the others


class GraphFeeds:
    """The recorded calls of one graph; may be gone through any number of times."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)

    def __len__(self) -> int:
        """How many calls there are."""
        return len(self.files)

    def __iter__(self) -> Iterator[dict[str, Floats]]:
        """Float32 arrays by name, one call after the other, read as they are needed."""
        for file in self.files:
            with np.load(file) as stored:
                yield {name: _unit(stored[name]) for name in stored.files}


def record_feeds(
    family: Family,
    host: Host,
    graphs: Sequence[TorchGraph],
    pictures: Sequence[Bytes],
    key: Mapping[str, str],
    *,
    seed: int = 0,
    stage: Host | None = None,
    progress: Progress = silent,
) -> dict[str, GraphFeeds]:
    """Record the calls of every graph, or read them back if the same was recorded before.

    Args:
        family: the model's.
        host: parameters of the cut.
        graphs: PyTorch's graphs.
        pictures: uint8 (H, W, 3), gone through one at a time.
        key: what else the calls depend on: hashes of the pictures and of the weights.
        seed: of the choice among the calls that one picture makes.
        stage: host parameters of the trimap stage, where there is one.
        progress: called after each picture.
    """
    parts = {**key, "host": asdict(host), "seed": seed, "calls": CALLS}
    if stage is not None:
        parts["stage"] = asdict(stage)
    text = json.dumps(parts, sort_keys=True)
    folder = cache() / hashlib.sha256(text.encode()).hexdigest()[:32]
    if not folder.is_dir():
        with atomic_folder(folder, shared=True) as place:
            _record(family, host, graphs, pictures, place, seed, stage, progress)
    return {g.graph.name: GraphFeeds(sorted(folder.glob(f"{g.graph.name}-*.npz"))) for g in graphs}


def cache() -> Path:
    """Where recorded calls are kept: ``$EDGEMATTE_CACHE``, or ``~/.cache/edgematte``."""
    chosen = os.environ.get("EDGEMATTE_CACHE")
    base = Path(chosen) if chosen else Path.home() / ".cache" / "edgematte"
    folder = base / "calibration"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _record(
    family: Family,
    host: Host,
    graphs: Sequence[TorchGraph],
    pictures: Sequence[Bytes],
    folder: Path,
    seed: int,
    stage: Host | None,
    progress: Progress,
) -> None:
    calls = torch_calls(graphs)
    pipeline = pipeline_for(family, host, calls, stage, estimator_for(family, stage))
    chance = random.Random(seed)
    for number, picture in enumerate(pictures):
        for call in calls.values():
            call.remember = True
        pipeline(picture, None, Clock())
        for name, call in calls.items():
            _keep(call, folder, f"{name}-{number:04d}", chance)
        progress("calibration pictures", number + 1, len(pictures))


def _keep(call: TorchCall, folder: Path, name: str, chance: random.Random) -> None:
    seen = call.calls
    for place in sorted(chance.sample(range(len(seen)), min(CALLS, len(seen)))):
        arrays: dict[str, Any] = {k: _small(v) for k, v in seen[place].items()}
        np.savez(folder / f"{name}-{place:04d}.npz", **arrays)
    seen.clear()


def _small(value: Floats) -> NDArray[Any]:
    """Bytes where the values are bytes / 255; else half floats, finer than any 8-bit step."""
    steps = np.rint(value * 255)
    if np.array_equal((steps * np.float32(1 / 255)).astype(np.float32), value):
        return steps.astype(np.uint8)
    return value.astype(np.float16)


def _unit(value: NDArray[Any]) -> Floats:
    scale = np.float32(1 / 255 if value.dtype == np.uint8 else 1)
    unit: Floats = value.astype(np.float32) * scale
    return unit
