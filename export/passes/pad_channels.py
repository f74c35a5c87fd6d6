"""Pads maps whose number of channels is no multiple of 16 with channels of zeros, to the next one.

ONNX Runtime computes in blocks of 16 channels. A map of 8 or 24 channels is padded in memory
anyway, but its pools and concatenations are not computed in blocks, so that it is reordered before
and after them. Padding the weights once, at export, keeps the whole chain in blocks. Outputs do not
change.
"""

from dataclasses import dataclass

import torch
from torch.fx import GraphModule, Node

from edgematte.export.passes.constants import value
from edgematte.export.passes.widen import groups, is_convolution, widen

aten = torch.ops.aten
BLOCK = 16
LEAST_CHANNELS = 8  # with fewer, a block would be mostly padding
_THROUGH = (
    aten.relu.default,
    aten.avg_pool2d.default,
    aten.upsample_nearest2d.vec,
    aten.upsample_bilinear2d.vec,
)


@dataclass(frozen=True)
class _Wide:
    """A padded map: the places of its own channels, and how many channels there are in all."""

    positions: tuple[int, ...]
    count: int


def pad_channels(module: GraphModule) -> int:
    """Pad the maps that convolutions make, and those that follow; counts changed convolutions."""
    wide: dict[Node, _Wide] = {}
    changed = 0
    for node in list(module.graph.nodes):
        if is_convolution(node):
            changed += _convolution(module, node, wide)
            continue
        sources = [n for n in node.all_input_nodes if n in wide]
        if not sources:
            continue
        padded = _follow(node, wide)
        if padded is not None:
            wide[node] = padded
            continue
        for source in sources:
            _narrow(module, node, source, wide[source])
    return changed


def _convolution(module: GraphModule, node: Node, wide: dict[Node, _Wide]) -> int:
    source = node.args[0]
    assert isinstance(source, Node)
    given = wide.get(source)
    channels = int(value(module, node.args[1]).shape[0])
    if groups(node) > 1:
        if given is None:
            return 0
        if groups(node) != len(given.positions) or channels != groups(node):
            _narrow(module, node, source, given)
            return 0
        widen(module, node, outputs=(given.positions, given.count))
        wide[node] = given
        return 1
    padded = channels % BLOCK != 0 and channels >= LEAST_CHANNELS
    if given is None and not padded:
        return 0
    count = -(-channels // BLOCK) * BLOCK if padded else channels
    widen(
        module,
        node,
        outputs=(range(channels), count) if padded else None,
        inputs=(given.positions, given.count) if given else None,
    )
    if padded:
        wide[node] = _Wide(tuple(range(channels)), count)
    return 1


def _follow(node: Node, wide: dict[Node, _Wide]) -> _Wide | None:
    """The padding of a node's result, if the node can work on padded maps without a change."""
    first = node.args[0]
    if node.target in _THROUGH or (node.target is aten.slice.Tensor and node.args[1] in (2, 3)):
        assert isinstance(first, Node)
        return wide[first]
    if node.target is aten.add.Tensor and not node.kwargs:
        return _same([wide.get(n) for n in node.args if isinstance(n, Node)], len(node.args))
    if node.target is not aten.cat.default:
        return None
    assert isinstance(first, list | tuple)
    axis = node.args[1] if len(node.args) > 1 else 0
    if axis != 1:
        return _same([wide.get(n) for n in first if isinstance(n, Node)], len(first))
    positions: list[int] = []
    count = 0
    for part in first:
        assert isinstance(part, Node)
        channels = int(part.meta["val"].shape[1])
        given = wide.get(part, _Wide(tuple(range(channels)), channels))
        positions += [count + p for p in given.positions]
        count += given.count
    return _Wide(tuple(positions), count)


def _same(layouts: list[_Wide | None], wanted: int) -> _Wide | None:
    same = len(layouts) == wanted and all(f == layouts[0] for f in layouts)
    return layouts[0] if same else None


def _narrow(module: GraphModule, node: Node, source: Node, given: _Wide) -> None:
    """Give only the map's own channels to a node that cannot work on padded maps."""
    call = module.graph.call_function
    with module.graph.inserting_before(node):
        if given.positions == tuple(range(len(given.positions))):
            own = call(aten.slice.Tensor, (source, 1, 0, len(given.positions)))
        else:
            own = call(
                aten.cat.default,
                ([call(aten.slice.Tensor, (source, 1, p, p + 1)) for p in given.positions], 1),
            )
    node.replace_input_with(source, own)
