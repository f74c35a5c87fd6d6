"""What calibration and quantizing need of a graph, wherever it came from; no torch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.manifest import Graph

Feeds = Iterable[Mapping[str, NDArray[Any]]]


class Reference(Protocol):
    """The reference of one graph, as pipelines call it: PyTorch's module, or the ONNX file."""

    calls: list[dict[str, Floats]]  # inputs of the calls since ``remember`` was set
    remember: bool

    @property
    def graph(self) -> Graph:
        """The declaration."""

    @property
    def fingerprint(self) -> str:
        """A hash of the weights."""

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        """Float32 arrays by name -> float32 arrays by name."""


class FloatGraph(Protocol):
    """A graph as a target's float model, which is quantized and then written."""

    @property
    def graph(self) -> Graph:
        """The declaration, as pipelines call the graph."""

    @property
    def declared(self) -> Graph:
        """The declaration as the file has it."""

    @property
    def losing(self) -> frozenset[str]:
        """Names of nodes of the built model that are known to lose in coarse numbers."""

    def build(self) -> Any:
        """The float model of the target's own library."""

    def smoothed(self, feeds: Feeds) -> tuple[Any, int]:
        """The model with smoothed norms, and how many norms there were; None and 0 without norms.

        Args:
            feeds: inputs of the graph, as pipelines give them.
        """

    def save(self, model: Any, folder: Path, embedded: str) -> Graph:
        """Write a model with the manifest ``embedded``; returns the declaration with its file."""
