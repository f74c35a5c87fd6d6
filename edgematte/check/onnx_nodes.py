"""Finding the first node of an ONNX graph whose output departs on an engine.

The same file is run twice with the outputs of its nodes as outputs of the graph: plainly, by ONNX
Runtime without any optimisation, and on the engine in question. An engine that fuses nodes fuses
fewer of them so, and a fault of a fused kernel may vanish; then no node is found, which is told.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgematte.check.engines import Opener
from edgematte.errors import EngineError
from edgematte.extras import importing
from edgematte.manifest import Difference, Graph, Tensor
from edgematte.runtime.proof.difference import difference
from edgematte.runtime.proof.tolerances import Tolerance, output_tolerance

if TYPE_CHECKING:
    from onnx import NodeProto

Arrays = Mapping[str, NDArray[Any]]
AT_A_TIME = 32  # outputs of nodes that are in memory at once


@dataclass(frozen=True)
class Node:
    """A node of a graph: its operator and name, shapes of its inputs and outputs, how far it is."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    apart: Difference

    def __str__(self) -> str:
        """One line for a person."""
        given, made = (", ".join(names) for names in (self.inputs, self.outputs))
        apart = f"largest difference {self.apart.max_abs:.1e}, mean {self.apart.mean_abs:.1e}"
        return f"{self.op} {self.name}: {given} -> {made}, {apart}"


def first_node(
    file: Path, graph: Graph, given: Arrays, opener: Opener, limit: Tolerance
) -> Node | None:
    """The first node in the file's order whose output is outside of the tolerance on the engine.

    Args:
        file: an ``.onnx`` file.
        graph: its declaration.
        given: inputs as the file takes them.
        opener: opens a file on the engine in question.
        limit: the tolerance of values in [-1, 1]; for others as the check has it.

    Raises:
        EngineError: onnx or onnxruntime is not installed, or the file cannot be read by them.
    """
    with importing(
        "looking into a graph needs onnx", 'pip install "edgematte[export]"', EngineError
    ):
        import onnx

        from edgematte.onnx_values import Values, with_outputs
    model = onnx.load(str(file))
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    with tempfile.TemporaryDirectory(prefix="edgematte-") as folder:
        for part in _parts(nodes):
            place = Path(folder) / file.name
            names = [name for node in part for name in node.output if name]
            plain = Values(model, names, "ORT_DISABLE_ALL")(given)
            names = [name for name in names if plain[name].dtype.kind == "f"]
            if not names:
                continue
            onnx.save(with_outputs(model, names), str(place))
            tensors = tuple(_declared(name, plain[name]) for name in names)
            engine = opener(place, replace(graph, outputs=tensors))
            answers = engine.run(given)
            for node in part:
                made = [name for name in node.output if name in names]
                rows = [_apart(name, answers[name], plain[name], limit) for name in made]
                outside = [row for row in rows if not row.ok]
                if outside:
                    return _node(node, given, plain, max(outside, key=lambda row: row.max_abs))
    return None


def _parts(nodes: "Sequence[NodeProto]") -> "Iterator[Sequence[NodeProto]]":
    for start in range(0, len(nodes), AT_A_TIME):
        yield nodes[start : start + AT_A_TIME]


def _declared(name: str, value: NDArray[Any]) -> Tensor:
    return Tensor(name, value.shape, str(value.dtype), "", (0.0, 1.0), "")


def _apart(name: str, found: NDArray[Any], expected: NDArray[Any], limit: Tolerance) -> Difference:
    allowed = output_tolerance(expected, limit)
    return difference("node", name, "", found, expected, allowed)


def _node(node: "NodeProto", given: Arrays, plain: Arrays, apart: Difference) -> Node:
    known = {**given, **plain}

    def shown(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            f"{name} {list(known[name].shape)}" if name in known else name for name in names if name
        )

    name = node.name or (node.output[0] if node.output else "")
    return Node(node.op_type, name, shown(node.input), shown(node.output), apart)
