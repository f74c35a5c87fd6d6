"""A small random net with the inputs and outputs of RobustVideoMatting's published ONNX files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT = 64, 48
CHANNELS = (2, 3, 4, 5)  # of the states, from the finest to the coarsest
STATES = [f"r{n}i" for n in (1, 2, 3, 4)]
PAIRS = {f"r{n}i": f"r{n}o" for n in (1, 2, 3, 4)}


def tensor(name: str, sides: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(sides))


def rvm_like(path: Path, *, sides: str = "open", ratio: bool = True, seed: int = 0) -> Path:
    """A random net with the inputs and outputs of RobustVideoMatting's published ONNX files.

    ``downsample_ratio`` reduces the picture inside. At each of four scales a state of any size
    that can be stretched to the scale's is mixed with what the scale sees, as a gated unit does.
    """
    random = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    held: dict[str, NDArray[Any]] = {
        "ones": np.ones(2, np.float32),
        "none": np.zeros(0, np.float32),
    }

    def add(kind: str, inputs: Sequence[str], name: str, **more: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [name], **more))
        return name

    def mixed(value: str, name: str, into: int, of: int, size: int = 1) -> str:
        held[f"{name}_w"] = random.normal(0, 1.2, (into, of, size, size)).astype(np.float32)
        held[f"{name}_b"] = random.normal(0, 0.3, into).astype(np.float32)
        pads = [size // 2] * 4
        return add("Conv", [value, f"{name}_w", f"{name}_b"], name, pads=pads)

    small = "src"
    if ratio:
        add("Concat", ["ones", "downsample_ratio", "downsample_ratio"], "scales", axis=0)
        how = {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}
        small = add("Resize", ["src", "none", "scales"], "small", **how)
    value, seen, of = small, [], 3
    for n, channels in enumerate(CHANNELS, 1):
        pooled = add("AveragePool", [value], f"p{n}", kernel_shape=[2, 2], strides=[2, 2])
        fresh = add("Tanh", [mixed(pooled, f"c{n}", channels, of, 3)], f"fresh{n}")
        before = add("Expand", [f"r{n}i", add("Shape", [fresh], f"s{n}")], f"before{n}")
        both = add("Concat", [fresh, before], f"both{n}", axis=1)
        gate = add("Sigmoid", [mixed(both, f"g{n}", channels, 2 * channels, 3)], f"gate{n}")
        step = add("Mul", [gate, add("Sub", [fresh, before], f"apart{n}")], f"step{n}")
        value, of = add("Add", [before, step], f"r{n}o"), channels
        wide = add("Slice", [add("Shape", ["src"], f"whole{n}"), "two", "four", "zero"], f"hw{n}")
        target = add("Concat", [add("Slice", [f"s{n}", "zero", "two", "zero"], f"bc{n}"), wide],
                     f"to{n}", axis=0)  # fmt: skip
        seen.append(add("Resize", [value, "none", "none", target], f"up{n}", mode="linear"))
    held |= {name: np.array([number]) for name, number in (("zero", 0), ("two", 2), ("four", 4))}
    hidden = add("Concat", [*seen, "src"], "hidden", axis=1)
    add("Clip", [mixed(hidden, "fgr0", 3, sum(CHANNELS) + 3), "low", "high"], "fgr")
    add("Sigmoid", [mixed(hidden, "pha0", 1, sum(CHANNELS) + 3)], "pha")
    held |= {"low": np.array(0, np.float32), "high": np.array(1, np.float32)}
    everything = ["batch_size", "channels", "height", "width"]  # as the published files say it
    inputs = [tensor("src", ["batch_size", 3, "height", "width"])]
    inputs += [tensor(name, everything) for name in STATES]
    if sides == "static":
        for n, channels in enumerate(CHANNELS, 1):
            inputs[n] = tensor(f"r{n}i", [1, channels, HEIGHT >> n, WIDTH >> n])
    if ratio:
        inputs.append(tensor("downsample_ratio", [1]))
    else:
        nodes = [node for node in nodes if node.output[0] not in ("scales", "small")]
    counts = {"fgr": 3, "pha": 1} | dict(zip(PAIRS.values(), CHANNELS, strict=True))
    outputs = [tensor(n, ["batch_size", count, "height", "width"]) for n, count in counts.items()]
    weights = [numpy_helper.from_array(np.asarray(v), k) for k, v in held.items()]
    graph = helper.make_graph(nodes, "net", inputs, outputs, weights)
    known = [helper.make_opsetid("", 12)]  # that of the published files
    onnx.save(helper.make_model(graph, opset_imports=known, ir_version=7), path)
    return path
