"""Bundles on engines, and how benchmarks time them: in turns, with a rest between two calls."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgematte.arrays import Bytes
from edgematte.errors import EdgematteError
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import EngineOptions, engine_for
from edgematte.runtime.load import matter_from
from edgematte.testcard import testcard_trimap

REST_S = 0.1  # threads of the last session may still spin
WARMUPS = 2
ENGINES = {
    "onnxruntime": ("onnxruntime", False),
    "openvino-f32": ("openvino", True),
    "openvino": ("openvino", False),
}
"""Name -> engine, and whether it is held to float32; ``openvino`` may take bfloat16."""
Seconds = dict[str, float]
Call = Callable[[], Seconds]
"""Mattes a picture; seconds by stage, and ``graphs``, those in all graphs, and ``whole``."""


@dataclass
class Row:
    """A net on an engine, and what it took in every round."""

    net: str
    engine: str
    call: Call
    rounds: list[Seconds] = field(default_factory=list)

    def ms(self, stage: str) -> list[float]:
        """Milliseconds of a stage in every round; none where the call has no such stage."""
        return [1000 * one[stage] for one in self.rounds if stage in one]

    def median(self, stage: str = "graphs") -> float:
        """Median milliseconds."""
        return float(np.median(self.ms(stage)))

    def spread(self, stage: str = "graphs") -> str:
        """Median and, in brackets, 10th and 90th percentiles; ``-`` without such a stage."""
        if not self.ms(stage):
            return "-"
        low, median, high = np.percentile(self.ms(stage), (10, 50, 90))
        digits = 1 if median < 10 else 0
        return f"{median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def in_turns(rows: Sequence[Row], rounds: int) -> None:
    """Call the rows one after the other, so many times after ``WARMUPS``."""
    for number in range(WARMUPS + rounds):
        for row in rows:
            time.sleep(REST_S)
            seconds = row.call()
            if number >= WARMUPS:
                row.rounds.append(seconds)


def opened(
    path: Path, engine: str, picture: Bytes, threads: int, options: dict[str, Any] | None = None
) -> Call:
    """A bundle on an engine of ``ENGINES``; a net that needs a trimap gets the test card's.

    Raises:
        EdgematteError: the bundle or the engine cannot be had.
    """
    name, precise = ENGINES[engine]
    bundle = open_bundle(path)
    engine_for(bundle.manifest.target, name)
    matter = matter_from(bundle, name, EngineOptions(threads=threads, precise=precise), options)
    needs = matter.variant.net.needs_trimap and not bundle.manifest.trimap_stage
    trimap = testcard_trimap(picture.shape[1], picture.shape[0]) if needs else None

    def call() -> Seconds:
        start = time.perf_counter()
        timings = dict(matter(picture, trimap).timings)
        return timings | {"graphs": in_graphs(timings), "whole": time.perf_counter() - start}

    return call


def in_graphs(timings: Seconds) -> float:
    """Seconds in graphs."""
    return sum(s for stage, s in timings.items() if stage.startswith("graph."))


def tried(what: str, work: Callable[..., Any], *given: Any, **more: Any) -> Any:
    """What work gives, True for nothing; None, and a line of why, where it cannot be had."""
    try:
        return work(*given, **more) or True
    except (EdgematteError, ImportError, OSError) as error:
        print(f"left out: {what}: {error}", file=sys.stderr, flush=True)
        return None
