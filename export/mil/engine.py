"""The evaluator as an engine of the check."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from edgematte.check.engines import CheckEngine, Opener
from edgematte.export.mil.program import MilProgram
from edgematte.manifest import Graph, Manifest
from edgematte.runtime.engines.declared import check_declared


class MilEngine:
    """One saved ``.mlpackage``, evaluated op by op."""

    def __init__(self, file: Path, graph: Graph, *, arithmetic: Literal["fp32", "fp16"]) -> None:
        """``arithmetic`` is that of every operation; see :class:`MilProgram`.

        Raises:
            BundleError, UnsupportedOpError, EngineError: as :meth:`MilProgram.load`.
            EngineError: the program has other tensors than the manifest says.
        """
        self._program = MilProgram.load(file)
        tensors = self._program.inputs | self._program.outputs
        check_declared(file, graph, {name: shape for name, (shape, _) in tensors.items()})
        self._arithmetic: Literal["fp32", "fp16"] = arithmetic

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name."""
        return self._program.run(dict(inputs), arithmetic=self._arithmetic)


def check_engines(manifest: Manifest) -> list[CheckEngine]:
    """The evaluators that a check runs a Core ML bundle on where there is no Core ML.

    One has fp32 arithmetic; programs in half precision are also run in fp16 arithmetic, as a
    stand-in for the Neural Engine.
    """

    def opener(arithmetic: Literal["fp32", "fp16"]) -> Opener:
        return lambda file, graph: MilEngine(file, graph, arithmetic=arithmetic)

    engines = [CheckEngine("MIL evaluator, fp32 arithmetic", opener("fp32"))]
    if manifest.precision != "fp32":
        engines.append(CheckEngine("MIL evaluator, fp16 arithmetic", opener("fp16")))
    return engines
