"""What a graph's file really takes and gives, compared with what the manifest declares of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgematte.errors import EngineError
from edgematte.manifest import Graph


def check_declared(file: Path, graph: Graph, found: Mapping[str, Sequence[Any]]) -> None:
    """Refuse a file whose tensors are others than the manifest says, before any is made.

    Else the arrays of a picture would be as large as a manifest asks, and only then be refused.

    Args:
        file: the graph's file.
        graph: its declaration.
        found: the shapes of the file's tensors by name; sides that are no numbers are open.

    Raises:
        EngineError: naming the tensor.
    """
    for tensor in (*graph.inputs, *graph.outputs):
        if tensor.name not in found:
            raise EngineError(f"{file.name} has no tensor {tensor.name!r}: export again")
        shape = list(found[tensor.name])
        sides = zip(shape, tensor.shape, strict=False)
        fits = len(shape) == len(tensor.shape) and all(
            not isinstance(side, int) or side in (-1, wanted) for side, wanted in sides
        )
        if not fits:
            raise EngineError(
                f"{file.name}: {tensor.name} has the shape {shape}, the manifest says "
                f"{list(tensor.shape)}: export again"
            )
