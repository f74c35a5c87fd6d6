"""SmoothQuant (Xiao et al., ICML 2023): outlying channels of a norm moved into weights.

After a transformer's norms a few channels are far larger than the rest, and one scale for all
channels leaves few steps for the rest. So channel j of a norm's result is divided by s_j, and the
matching columns of the linear layers that take the result are multiplied by s_j: that computes the
same and is easier to quantize (eq. 4, alpha = 1/2). Norms whose result is also used elsewhere are
not changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from edgematte.export.capture import Capture
from edgematte.export.passes import rewrite
from edgematte.export.passes.constants import add_constant, is_constant, value

aten = torch.ops.aten
SHAPING = (aten.reshape.default, aten.view.default)
MOST = 1e3  # the largest factor s_j; the smallest is 1 / MOST


def smoothed(capture: Capture, feeds: Iterable[Mapping[str, NDArray[Any]]]) -> tuple[Capture, int]:
    """The capture with smoothed norms, and how many norms were smoothed.

    Args:
        capture: the capture of a graph.
        feeds: inputs of the graph, float32 arrays by name.
    """
    inputs = [tuple(torch.from_numpy(feed[t.name]) for t in capture.graph.inputs) for feed in feeds]
    counts: list[int] = []

    def smooth_norms(module: GraphModule) -> int:
        norms = {n: linears for n in module.graph.nodes if (linears := _takers(n))}
        if norms:
            largest = _largest(module, norms, inputs)
            for norm, linears in norms.items():
                _move(module, norm, linears, largest[norm])
        counts.append(len(norms))
        return len(norms)

    example = tuple(torch.zeros(t.shape) for t in capture.graph.inputs)
    program, _ = rewrite(capture.program, example, (smooth_norms,))
    return replace(capture, program=program), counts[0]


def _takers(norm: Node) -> list[Node]:
    """The linear layers that take a norm's result; none if anything else takes it."""
    if norm.target is not aten.layer_norm.default or not all(map(is_constant, norm.args[2:4])):
        return []
    linears = []
    for user in norm.users:
        while user.target in SHAPING and len(user.users) == 1 and _same_channels(user):
            user = next(iter(user.users))
        if user.target in SHAPING and _same_channels(user):
            layers = list(user.users)
        else:
            layers = [user]
        linears += layers
    plain = all(u.target is aten.linear.default and is_constant(u.args[1]) for u in linears)
    return linears if plain and len(norm.args) > 3 else []


def _same_channels(node: Node) -> bool:
    given, made = (n.meta["val"].shape[-1] for n in (node.args[0], node) if isinstance(n, Node))
    return bool(given == made)


def _largest(
    module: GraphModule, norms: Iterable[Node], inputs: Sequence[tuple[Tensor, ...]]
) -> dict[Node, Tensor]:
    """The largest absolute value of every channel of each norm's result, over all inputs."""
    largest: dict[Node, Tensor] = {}
    watched = set(norms)

    class Watch(Interpreter):
        def run_node(self, n: Node) -> Any:
            made = super().run_node(n)
            if n in watched:
                top = made.abs().flatten(0, -2).amax(dim=0)
                largest[n] = torch.maximum(largest[n], top) if n in largest else top
            return made

    with torch.no_grad():
        for one in inputs:
            Watch(module).run(*one)
    return largest


def _move(module: GraphModule, norm: Node, linears: Sequence[Node], largest: Tensor) -> None:
    weights = [value(module, layer.args[1]) for layer in linears]
    columns = torch.stack([w.abs().amax(dim=0) for w in weights]).amax(dim=0)
    factor = (largest.clamp(min=1e-5) / columns.clamp(min=1e-5)).sqrt().clamp(1 / MOST, MOST)
    factors = [value(module, n) / factor for n in norm.args[2:4]]
    new = [add_constant(module, norm, f, "smooth_factor") for f in factors]
    norm.args = (*norm.args[:2], *new, *norm.args[4:])
    for layer, weight in zip(linears, weights, strict=True):
        scaled = add_constant(module, layer, weight * factor, "smooth_weight")
        layer.args = (layer.args[0], scaled, *layer.args[2:])
