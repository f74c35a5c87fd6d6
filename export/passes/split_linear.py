"""Turns a linear layer whose result is split into one layer for each part, and folds factors.

Queries, keys and values come out of one matrix product and have to be copied apart. A product for
each needs no copy, and the factor on the logits can be folded into the weights of the queries.
"""

import operator

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import add_constant, is_constant, value

aten = torch.ops.aten
SHAPING = (aten.reshape.default, aten.permute.default, aten.view.default, aten.transpose.int)


def split_linear(module: GraphModule) -> int:
    """Rewrite every linear layer whose result is only split along its channels."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.split.Tensor or not _matches(node):
            continue
        linear, size = node.args[0], int(node.args[1])
        call = module.graph.call_function
        with module.graph.inserting_before(linear):
            channels = int(linear.args[0].meta["val"].shape[-1])
            rows = call(aten.reshape.default, (linear.args[0], [-1, channels]))
        for part in list(node.users):
            first = size * int(part.args[1])
            made = _part(module, linear, rows, slice(first, first + size))
            with module.graph.inserting_before(linear):
                shape = [-1, *(int(n) for n in part.meta["val"].shape[1:])]  # for any batch
                part.replace_all_uses_with(call(aten.reshape.default, (made, shape)))
            module.graph.erase_node(part)
        module.graph.erase_node(node)
        module.graph.erase_node(linear)
        changed += 1
    return changed


def fold_scale(module: GraphModule) -> int:
    """Fold constant factors into the linear layers whose results they alone use."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.mul.Tensor or not isinstance(node.args[1], int | float):
            continue
        made = node.args[0]
        while isinstance(made, Node) and made.target in SHAPING and len(made.users) == 1:
            made = made.args[0]
        if not _is_linear(made) or len(made.users) != 1:
            continue
        scaled = [_scaled(module, made, x, node.args[1]) for x in made.args[1:]]
        made.args = (made.args[0], *scaled)
        node.replace_all_uses_with(node.args[0])
        module.graph.erase_node(node)
        changed += 1
    return changed


def _is_linear(node: object) -> bool:
    if not isinstance(node, Node) or node.target is not aten.linear.default:
        return False
    return is_constant(node.args[1]) and all(b is None or is_constant(b) for b in node.args[2:])


def _matches(node: Node) -> bool:
    linear = node.args[0]
    if not _is_linear(linear) or not isinstance(linear, Node) or len(linear.users) != 1:
        return False
    axis = node.args[2] if len(node.args) > 2 else 0
    last = axis in (-1, linear.meta["val"].ndim - 1)
    parts = all(user.target is operator.getitem for user in node.users)
    return last and parts and isinstance(node.args[1], int)


def _part(module: GraphModule, linear: Node, rows: Node, outputs: slice) -> Node:
    """A layer with some of the outputs of ``linear``, applied to ``rows``.

    ``rows`` is a matrix, because onnxsim does not join two products of matrices into one again.
    """
    constants = [
        None if x is None else add_constant(module, linear, value(module, x)[outputs], "part")
        for x in linear.args[1:]
    ]
    with module.graph.inserting_before(linear):
        return module.graph.call_function(aten.linear.default, (rows, *constants))


def _scaled(module: GraphModule, linear: Node, old: object, factor: float) -> Node | None:
    if old is None:
        return None
    scaled: Tensor = value(module, old) * factor
    return add_constant(module, linear, scaled, "scaled")
