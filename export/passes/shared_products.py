"""Multiplies by matrices that are the same for every window, without repeating them.

Attention with relative positions multiplies queries (windows, rows, columns, d) by a matrix for
each row, (rows, d, e), and queries that are extended by their terms for rows and columns by keys
that are extended by ones at their own row and column, the same for every window. Converters repeat
such constants for every window, by an operator that GPUs of phones do not have. With the windows
beside the columns the first is one product for each row, (rows, windows * columns, d) x (rows, d,
e); the second is the sum of a product with the keys and one with the constant, (windows * pixels,
n) x (n, pixels).
"""

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten


def shared_products(module: GraphModule) -> int:
    """Rewrite products with constants that are shared by all entries of the first axis."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.matmul.default:
            continue
        shared = _extension(node.args[1])
        if shared is None and not _is_by_row(node):
            continue
        with module.graph.inserting_before(node):
            made = _by_row(module, node) if shared is None else _extended(module, node, *shared)
        node.replace_all_uses_with(made)
        module.graph.erase_node(node)
        changed += 1
    return changed


def _is_by_row(node: Node) -> bool:
    """Whether it is (N, R, C, D) x (R, D, E)."""
    left, right = (_shape(side) for side in node.args[:2])
    return len(left) == 4 and len(right) == 3 and left[0] > 1 and left[1] == right[0] > 1


def _by_row(module: GraphModule, node: Node) -> Node:
    windows, rows, columns, depth = _shape(node.args[0])
    length = _shape(node.args[1])[2]
    call = module.graph.call_function
    turned = call(aten.permute.default, (node.args[0], [1, 0, 2, 3]))
    flat = call(aten.reshape.default, (turned, [rows, windows * columns, depth]))
    product = call(aten.matmul.default, (flat, node.args[1]))
    apart = call(aten.reshape.default, (product, [rows, windows, columns, length]))
    return call(aten.permute.default, (apart, [1, 0, 2, 3]))


def _extension(right: object) -> tuple[Node, Node] | None:
    """Keys (N, P, d) and a constant (P, n), of ``cat([keys, constant of all N], 2)``, turned."""
    if not isinstance(right, Node) or right.target is not aten.transpose.int:
        return None
    if sorted(int(axis) % 3 for axis in right.args[1:3]) != [1, 2] or len(right.users) > 1:  # type: ignore[arg-type]
        return None
    both = right.args[0]
    if not isinstance(both, Node) or both.target is not aten.cat.default or len(both.users) > 1:
        return None
    parts, axis = both.args[0], both.args[1] if len(both.args) > 1 else 0
    if not isinstance(parts, list | tuple) or len(parts) != 2 or axis not in (2, -1):
        return None
    keys, repeated = parts
    assert isinstance(keys, Node) and isinstance(repeated, Node)
    if repeated.target is not aten.expand.default or len(_shape(repeated)) != 3:
        return None
    constant = repeated.args[0]
    assert isinstance(constant, Node)
    fits = constant.op == "get_attr" and _shape(constant) == _shape(repeated)[1:]
    return (keys, constant) if fits else None


def _extended(module: GraphModule, node: Node, keys: Node, constant: Node) -> Node:
    count, queries, depth = _shape(node.args[0])
    pixels, own = _shape(keys)[1:]
    call = module.graph.call_function
    first = call(aten.slice.Tensor, (node.args[0], 2, 0, own))
    rest = call(aten.slice.Tensor, (node.args[0], 2, own, depth))
    turned = call(aten.transpose.int, (keys, 1, 2))
    product = call(aten.matmul.default, (first, turned))
    flat = call(aten.reshape.default, (rest, [count * queries, depth - own]))
    shared = call(aten.matmul.default, (flat, call(aten.transpose.int, (constant, 0, 1))))
    apart = call(aten.reshape.default, (shared, [count, queries, pixels]))
    return call(aten.add.Tensor, (product, apart))


def _shape(node: object) -> list[int]:
    assert isinstance(node, Node)
    return list(node.meta["val"].shape)
