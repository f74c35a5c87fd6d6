"""Rules on Core ML programs: operators that devices of Apple get wrong, and dynamic shapes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgematte.errors import UnsupportedOpError
from edgematte.export.lint.onnx import dynamic, hard_swish
from edgematte.export.lint.seen import Seen
from edgematte.export.mil.graph import Constant, Operation
from edgematte.export.mil.graph import Graph as Program
from edgematte.export.mil.package import read_package
from edgematte.finding import Finding
from edgematte.manifest import Graph, Manifest

BATCH = 10
"""From so many on fused attention is wrong on GPUs."""


def findings(file: Path, graph: Graph, manifest: Manifest, seen: Seen | None) -> Iterator[Finding]:
    """Those of one ``.mlpackage``."""
    try:
        program = read_package(file)
    except UnsupportedOpError:  # the check told, where it evaluates the program
        return
    made = {tensor.slot: op for op in program.operations for tensor in op.outputs}
    count = sum(_is_hard_swish(op, made) for op in program.operations)
    if count:
        yield hard_swish(graph, count)
    yield from _attention(graph, program)
    exact = [op.name for op in program.operations if op.kind == "gelu" and _mode(op) == "EXACT"]
    if exact and seen is not None and seen.approximate:
        yield Finding(
            "gelu-tanh",
            f"{graph.name}: {seen.approximate[0]}",
            f"{len(seen.approximate)} GELUs that the network approximates by tanh are exact in "
            "the program",
            "coremltools 9.0 drops the approximation without a word; each may be off by 5e-4",
            "write 0.5 x (1 + tanh(0.7978846 (x + 0.044715 x^3))) in the network, where that "
            "matters",
            "apple/coremltools#2863",
        )
    unfixed = [t.name for op in program.operations for t in op.outputs if -1 in t.shape]
    unfixed += [t.name for t in program.inputs if -1 in t.shape]
    if unfixed:
        yield dynamic(graph, f"{len(unfixed)} values with open sides, such as {unfixed[0]}")


def _is_hard_swish(op: Operation, made: dict[int, Operation]) -> bool:
    """x * sigmoid_hard(x), as coremltools writes it."""
    if op.kind != "mul":
        return False
    both = [op.arguments.get("x"), op.arguments.get("y")]
    for one, other in (both, both[::-1]):
        source = made.get(one) if isinstance(one, int) else None
        if source is not None and source.kind == "sigmoid_hard":
            if source.arguments.get("x") == other:
                return True
    return False


def _attention(graph: Graph, program: Program) -> Iterator[Finding]:
    """Attention over batches, fused or as matrix products around a softmax."""
    read = {
        argument
        for op in program.operations
        if op.kind == "matmul"
        for argument in op.arguments.values()
        if isinstance(argument, int)
    }
    found = []
    for op in program.operations:
        shape = op.outputs[0].shape
        fused = op.kind == "scaled_dot_product_attention"
        plain = op.kind == "softmax" and op.outputs[0].slot in read
        if (fused or plain) and len(shape) >= 3 and shape[0] >= BATCH:
            found.append((op.name, shape))
    if found:
        name, shape = found[0]
        yield Finding(
            "batched-attention",
            f"{graph.name}: {name}",
            f"attention over batches of {BATCH} and more, {len(found)} times, such as "
            f"{list(shape)}",
            "GPUs of Apple compute it fused and wrongly; processor and Neural Engine are right",
            "let the app take the compute units cpuAndNeuralEngine, or fold the batch into heads",
            "apple/coremltools#2650",
        )


def _mode(op: Operation) -> str:
    mode = op.arguments.get("mode")
    value = mode.value if isinstance(mode, Constant) else "EXACT"
    return value if isinstance(value, str) else str(np.asarray(value))
