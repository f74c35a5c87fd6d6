"""Values inside a captured graph, by running it node by node with PyTorch."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Interpreter, Node

from edgematte.arrays import Floats
from edgematte.export.capture import Capture
from edgematte.export.lint.seen import Seen

GELU = torch.ops.aten.gelu.default


def seen_in_capture(capture: Capture, inputs: Iterable[Mapping[str, Floats]]) -> Seen:
    """Run a capture in fp32 and keep the largest magnitude at each node.

    Args:
        capture: the graph as it is written, after all passes.
        inputs: by name, as the graph takes them; the first are those of the golden call.
    """
    graph = capture.graph
    runner = _Largest(capture.program.module())
    first: dict[str, Floats] = {}
    calls = 0
    for given in inputs:
        arrays = [np.ascontiguousarray(given[t.name], np.float32) for t in graph.inputs]
        if graph.dynamic_batch:  # captured with an open axis that is 2 at least
            arrays = [np.concatenate([array] * 2) for array in arrays]
        with torch.inference_mode():
            made: Any = runner.run(*(torch.from_numpy(array) for array in arrays))
        outputs = made if isinstance(made, tuple | list) else (made,)
        calls += 1
        if not first:
            first = {t.name: o.numpy() for t, o in zip(graph.outputs, outputs, strict=True)}
    tanh = [n for n in capture.program.graph.nodes if n.kwargs.get("approximate") == "tanh"]
    gelus = tuple(place_of(node) for node in tanh if node.target is GELU)
    return Seen(first, runner.largest, calls, gelus)


def place_of(node: Node) -> str:
    """The module that a node comes from, and the node's name."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path = str(stack[-1][0]).removeprefix("L['self'].") if stack else ""
    return f"{path} ({node.name})" if path else node.name


class _Largest(Interpreter):
    """Keeps the largest magnitude of what each node computes."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self.largest: dict[str, float] = {}

    def run_node(self, n: Node) -> Any:
        """Run it; what is not finite counts as infinite."""
        value = super().run_node(n)
        if n.op == "call_function" and isinstance(value, Tensor) and value.is_floating_point():
            found = float(value.abs().max()) if value.numel() else 0.0
            found = found if np.isfinite(found) else float("inf")
            place = place_of(n)
            self.largest[place] = max(self.largest.get(place, 0.0), found)
        return value
