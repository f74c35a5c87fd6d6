"""Writers of the targets, a module each; a writer writes captured graphs of any net.

`edgematte.targets` is the table of all targets.
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
    """Makes a target's float model of a captured graph, and writes models; it keeps no state.

    INT8 exports quantize the model before it is written. ``options`` are the target's own.
    """

    @abstractmethod
    def build(self, capture: Capture, options: Any) -> Any:
        """The graph as a float model of the target's own library."""

    @abstractmethod
    def save(self, model: Any, graph: Graph, folder: Path, embedded: str, options: Any) -> Graph:
        """Write a model, with the manifest ``embedded`` in it, into ``folder``.

        Returns:
            The declaration of the graph, with its file.
        """

    @abstractmethod
    def tools(self) -> dict[str, str]:
        """Names and versions of the packages that write the files."""

    def declared(self, graph: Graph, options: Any) -> Graph:
        """The declaration as the file has it: the file may change ranges, or take pictures."""
        return graph

    def share(self, folder: Path, graphs: Sequence[Graph]) -> None:  # noqa: B027
        """Store weights that several written graphs hold only once, where the format can."""


def writer_of(target: Target) -> Writer:
    """The writer of a target.

    Raises:
        ExportError: a package it needs is not installed; the message has the pip line.
    """
    sentence = f"target {target.name} needs a package that is not installed"
    with importing(sentence, f'pip install "edgematte[{target.extra}]"', ExportError):
        writer: Writer = load_part(f"{target.writer}:WRITER")
    return writer


def passes_of(target: Target, options: TargetOptions) -> tuple[Pass, ...]:
    """The passes over captured graphs that make a target's graphs faster."""
    passes: tuple[Pass, ...] = load_part(target.passes)(options)
    return passes
