"""In which arithmetic an imported net may run: what stays in float32, and what its engine is told.

OpenVINO by itself computes in bf16 where the processor has it, which has fewer bits than fp16.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgematte.arrays import Floats
from edgematte.check.tolerances import TOLERANCES
from edgematte.export.foreign.files import OpenVinoGraph
from edgematte.runtime.engines import EngineOptions, open_engine
from edgematte.runtime.nets.foreign.host import ForeignHost
from edgematte.runtime.nets.foreign.pipeline import subject_share


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


def error_of_own_hint(
    source: OpenVinoGraph, host: ForeignHost, inputs: Mapping[str, Floats], answer: Floats
) -> tuple[float, float]:
    """How far alpha is off when OpenVINO chooses its arithmetic: the most, and the mean.

    Args:
        source: the graph.
        host: how its answer is read.
        inputs: of the graph.
        answer: what the file gives for them.
    """
    with tempfile.TemporaryDirectory() as scratch:
        written = source.save(source.build(), Path(scratch), "")
        file = Path(scratch) / written.file
        found = open_engine("openvino", file, written, EngineOptions()).run(inputs)
    name = written.outputs[0].name
    shares = (subject_share(host, np.asarray(a, np.float32)) for a in (found[name], answer))
    one, other = shares
    off = np.abs(one - other)
    return float(off.max()), float(off.mean())
