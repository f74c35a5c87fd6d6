"""In which arithmetic an imported net may run: what stays in float32, and what its engine is told.

OpenVINO by itself computes in bf16 where the processor has it, which has fewer bits than fp16.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgematte.export.foreign.cancellation import cancelling
from edgematte.export.foreign.files import OpenVinoGraph
from edgematte.export.foreign.original import in_planes
from edgematte.export.foreign.understood import Understood
from edgematte.runtime.engines import EngineOptions, open_engine
from edgematte.runtime.nets.foreign.pipeline import subject_share
from edgematte.runtime.proof.tolerances import TOLERANCES


@dataclass(frozen=True)
class Arithmetic:
    """What was found for a graph."""

    kept: frozenset[str]  # nodes that compute in float32 whatever the precision
    rounded: tuple[float, float] | None  # largest and mean error of alpha with OpenVINO's own hint

    @property
    def precise(self) -> bool | None:
        """Whether engines must compute in float32; None where they need not."""
        return True if self.kept or self._lost else None

    @property
    def _lost(self) -> bool:
        limit = TOLERANCES["fp16"]
        return self.rounded is not None and (
            self.rounded[0] > limit.max_abs or self.rounded[1] > limit.mean_abs
        )

    def section(self, precision: str) -> list[str]:
        """The section of REPORT.md; empty where nothing has to be said."""
        lines = []
        if self.kept:
            lines.append(
                f"Large numbers cancel in the graph: half precision would lose what is left. "
                f"{len(self.kept)} nodes are affected"
                + (", and stay in float32." if precision == "fp16" else ".")
            )
        if self.precise:
            lines.append(
                "Engines are told to compute in float32 where they would take bf16 by themselves"
                + (
                    f": alpha of the test card would be off by {self.rounded[0]:.1e} at most and "
                    f"{self.rounded[1]:.1e} on average."
                    if self.rounded is not None and self._lost
                    else "."
                )
            )
        return ["## Arithmetic", "", *lines, ""] if lines else []


def arithmetic_of(net: Understood, target: str) -> Arithmetic:
    """Look at a net's graph; for openvino also at what it gives with the engine's own choice."""
    kept = cancelling(net.model, net.shown)
    rounded = None
    if target == "openvino":
        rounded = _rounded(OpenVinoGraph(net.graph, net.model, "fp32"), net)
    return Arithmetic(kept, rounded)


def _rounded(source: OpenVinoGraph, net: Understood) -> tuple[float, float]:
    """How far alpha of the test card is off: the most, and the mean."""
    with tempfile.TemporaryDirectory() as scratch:
        written = source.save(source.build(), Path(scratch), "")
        file = Path(scratch) / written.file
        found = open_engine("openvino", file, written, EngineOptions()).run(net.shown)
    answer = np.asarray(found[written.outputs[0].name], np.float32)
    answer = in_planes(answer, net.host.answer_layout)
    off = np.abs(subject_share(net.host, answer) - subject_share(net.host, net.answer))
    return float(off.max()), float(off.mean())
