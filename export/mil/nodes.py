"""Finding the first operation of a Core ML program that departs in fp16 arithmetic."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.check.goldens import stride_for
from edgematte.check.onnx_nodes import Node
from edgematte.export.mil.program import MilProgram
from edgematte.runtime.proof.difference import difference
from edgematte.runtime.proof.tolerances import Tolerance, output_tolerance

Array = NDArray[Any]


def first_operation(file: Path, given: Mapping[str, Array], limit: Tolerance) -> Node | None:
    """The first operation whose result in fp16 is outside of the tolerance of its fp32 result.

    Results are compared on some of their rows and columns, so that all of them fit into memory.

    Args:
        file: an ``.mlpackage``.
        given: inputs as the file takes them.
        limit: the tolerance of values in [-1, 1]; for others as the check has it.
    """
    program = MilProgram.load(file)
    exact: dict[str, Array] = {}
    shapes: dict[str, tuple[int, ...]] = {}

    def keep(name: str, value: Array) -> None:
        exact[name], shapes[name] = _sampled(value), value.shape

    program.run(given, "fp32", keep)
    departed: list[Node] = []
    operations = {t.name: op for op in program.operations for t in op.outputs}

    def compare(name: str, value: Array) -> None:
        if departed or name not in operations:
            return
        expected = exact[name]
        allowed = output_tolerance(expected, limit)
        row = difference("node", name, "fp16", _sampled(value), expected, allowed)
        if not row.ok:
            operation = operations[name]
            made = (f"{name} {list(shapes[name])}",)
            departed.append(Node(operation.kind, operation.name, (), made, row))

    program.run(given, "fp16", compare)
    return departed[0] if departed else None


def _sampled(value: Array) -> Array:
    stride = stride_for(value.shape)
    kept = value[..., ::stride, ::stride] if value.ndim > 2 else value
    return np.array(kept, np.float32)
