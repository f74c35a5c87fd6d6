"""A graph captured with PyTorch, as what is quantized."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgematte.calibration.smoothing import smoothed
from edgematte.export.capture import Capture
from edgematte.export.float_graph import Feeds
from edgematte.export.targets import Writer
from edgematte.manifest import Graph
from edgematte.targets import TargetOptions


@dataclass(frozen=True)
class CapturedGraph:
    """A :class:`FloatGraph` that a target's writer makes of a capture."""

    capture: Capture
    writer: Writer
    options: TargetOptions

    @property
    def graph(self) -> Graph:
        """The declaration."""
        return self.capture.graph

    @property
    def declared(self) -> Graph:
        """The declaration as the writer's file has it."""
        return self.writer.declared(self.graph, self.options)

    @property
    def losing(self) -> frozenset[str]:
        """None is known beforehand: the ladder finds them by measuring."""
        return frozenset()

    def build(self) -> Any:
        """The writer's float model."""
        return self.writer.build(self.capture, self.options)

    def smoothed(self, feeds: Feeds) -> tuple[Any, int]:
        """See :class:`FloatGraph`."""
        smooth, norms = smoothed(self.capture, feeds)
        return (self.writer.build(smooth, self.options) if norms else None), norms

    def save(self, model: Any, folder: Path, embedded: str) -> Graph:
        """See :class:`FloatGraph`."""
        return self.writer.save(model, self.graph, folder, embedded, self.options)
