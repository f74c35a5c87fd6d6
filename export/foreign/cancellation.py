"""Nodes of a graph that half precision would lose, because large numbers cancel in them.

Folding a normalisation into a convolution can give a bias a thousand times as large as what is
left of it after the sum. fp16 rounds such a bias by more than the result. U^2-Net's small variant
has a convolution with a bias of 1361 and results of about 1: rounding it alone moves its mattes
by 0.1. These nodes, and what comes before them up to the last weights, stay in float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from edgematte.onnx_values import Values

ROUNDING = 2.0**-11  # of fp16, relative
MOST = 0.01
"""*Chosen*: a bias whose rounding moves a channel by less than this, relative to how much the
channel varies over the picture, does no harm that shows."""
BIASED = ("Conv", "ConvTranspose", "Gemm", "Add")
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
AXES = {"Conv": 1, "ConvTranspose": 1}  # of the channels; of the others as the bias lies
AT_ONCE = 64  # nodes whose results are in memory


def cancelling(model: onnx.ModelProto, feed: Mapping[str, NDArray[Any]]) -> frozenset[str]:
    """Names of the nodes that must compute in float32; nodes should have names of their own.

    Args:
        model: a float32 graph.
        feed: one input of it, of a picture that is not of one colour.
    """
    biases = _biases(model)
    names = {node.name: node.output[0] for node in model.graph.node if node.name in biases}
    found = set()
    for first in range(0, len(names), AT_ONCE):
        some = dict(list(names.items())[first : first + AT_ONCE])
        answers = Values(model, sorted(set(some.values())))(feed)
        found |= {name for name in some if _lost(biases[name], answers[names[name]])}
    return frozenset(found | _before(model, found))


def constants_of(model: onnx.ModelProto, names: frozenset[str]) -> list[NDArray[Any]]:
    """The float weights that the nodes of these names read."""
    read = {name for node in model.graph.node if node.name in names for name in node.input}
    held = (weight for weight in model.graph.initializer if weight.name in read)
    return [numpy_helper.to_array(w) for w in held if w.data_type == TensorProto.FLOAT]


@dataclass(frozen=True)
class Bias:
    """What a node adds, a number for each channel, and the axis of the channels in its result."""

    numbers: NDArray[Any]
    axis: int


def _biases(model: onnx.ModelProto) -> dict[str, Bias]:
    """The biases of all nodes that add one, by the nodes' names."""
    held = {w.name: w for w in model.graph.initializer if w.data_type == TensorProto.FLOAT}
    found = {}
    for node in model.graph.node:
        if node.op_type not in BIASED:
            continue
        for name in node.input if node.op_type == "Add" else node.input[2:3]:
            least = 2 if node.op_type == "Add" else 1  # one number more is no bias of channels
            if name not in held or max(held[name].dims, default=0) < least:
                continue
            numbers = numpy_helper.to_array(held[name]).astype(np.float64)
            if numbers.size == max(numbers.shape):
                last = int(np.argmax(numbers.shape)) - numbers.ndim
                found[node.name] = Bias(numbers.reshape(-1), AXES.get(node.op_type, last))
    return found


def _lost(bias: Bias, answer: NDArray[Any]) -> bool:
    """Whether rounding the bias moves the result by more than it can be moved without harm."""
    if answer.ndim < 2 or answer.shape[bias.axis] != len(bias.numbers):
        return False
    channels = np.moveaxis(answer, bias.axis, 0).reshape(len(bias.numbers), -1)
    moved = np.sqrt(np.mean(np.square(bias.numbers * ROUNDING)))
    varies = np.sqrt(np.mean(channels.var(axis=1, dtype=np.float64)))
    return bool(moved > MOST * varies > 0)


def _before(model: onnx.ModelProto, names: set[str]) -> set[str]:
    """What comes before these nodes, up to and with the last nodes that have weights.

    Rounding what a cancelling node takes does the same harm as rounding its weights.
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    todo = [name for node in model.graph.node if node.name in names for name in node.input]
    found: set[str] = set()
    while todo:
        node = makers.get(todo.pop())
        if node is None or node.name in found:
            continue
        found.add(node.name)
        if node.op_type not in WEIGHTED:
            todo += node.input
    return found
