"""Reading the constants of a graph that is being rewritten, and adding new ones."""

import torch
from torch import Tensor
from torch.fx import GraphModule, Node


def value(module: GraphModule, node: object) -> Tensor:
    """The tensor that a ``get_attr`` node reads."""
    assert isinstance(node, Node) and node.op == "get_attr"
    attribute: object = module
    for part in str(node.target).split("."):
        attribute = getattr(attribute, part)
    assert isinstance(attribute, Tensor)
    return attribute.detach()


def is_constant(node: object) -> bool:
    """Whether a node stands for a parameter or buffer."""
    return isinstance(node, Node) and node.op == "get_attr"


def add_constant(module: GraphModule, before: Node, tensor: Tensor, name: str) -> Node:
    """Add a buffer, and the node that reads it, before another node; returns the node."""
    count = sum(1 for key, _ in module.named_buffers(recurse=False) if key.startswith(name))
    key = f"{name}_{count}"
    module.register_buffer(key, tensor.contiguous())
    with module.graph.inserting_before(before):
        node = module.graph.get_attr(key)
    node.meta["val"] = torch.empty_like(tensor, device="meta")
    return node
