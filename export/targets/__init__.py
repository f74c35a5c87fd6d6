"""One file a target; each writes one captured graph and knows nothing of the nets.

`edgematte.targets` is the one table of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgematte.errors import ExportError
from edgematte.export.capture import Capture
from edgematte.export.passes import Pass
from edgematte.extras import importing
from edgematte.manifest import Graph
from edgematte.net import load_part
from edgematte.targets import Target, TargetOptions


class Writer(ABC):
    """Makes a target's float model of a captured graph, and writes models; without state.

    Between the two, INT8 exports quantize the model. ``options`` are the target's own.
    """

    @abstractmethod
    def build(self, capture: Capture, options: Any) -> Any:
        """The graph as a float model of the target's own library."""

    @abstractmethod
    def save(self, model: Any, graph: Graph, folder: Path, embedded: str, options: Any) -> Graph:
        """Write a model into ``folder`` with the manifest in it; the graph's declaration."""

    @abstractmethod
    def tools(self) -> dict[str, str]:
        """Versions of what makes the files."""

    def declared(self, graph: Graph, options: Any) -> Graph:
        """The declaration with what the file changes of it: ranges, pictures for tensors."""
        return graph

    def share(self, folder: Path, graphs: Sequence[Graph]) -> None:  # noqa: B027
        """Keep weights that several written graphs hold once, where the format can."""


def writer_of(target: Target) -> Writer:
    """What writes a target.

    Raises:
        ExportError: a package it needs is not installed; the message holds the pip line.
    """
    sentence = f"target {target.name} needs a package that is not installed"
    with importing(sentence, f'pip install "edgematte[{target.extra}]"', ExportError):
        writer: Writer = load_part(f"{target.writer}:WRITER")
    return writer


def passes_of(target: Target, options: TargetOptions) -> tuple[Pass, ...]:
    """The rewrites of captured graphs that pay on a target."""
    passes: tuple[Pass, ...] = load_part(target.passes)(options)
    return passes
