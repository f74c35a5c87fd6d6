"""The evaluator as an engine of the check."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from edgematte.export.mil.program import MilProgram
from edgematte.manifest import Graph


class MilEngine:
    """One saved ``.mlpackage``, evaluated op by op."""

    def __init__(self, file: Path, graph: Graph, *, arithmetic: Literal["fp32", "fp16"]) -> None:
        """``arithmetic`` is that of every operation; see :class:`MilProgram`."""
        self._program = MilProgram.load(file)
        self._arithmetic: Literal["fp32", "fp16"] = arithmetic

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name."""
        return self._program.run(dict(inputs), arithmetic=self._arithmetic)
