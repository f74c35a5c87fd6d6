"""Small nets as ONNX files, such as people have; a pixel's answer depends on that pixel alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

BIAS = np.array([-0.4, 0.3], np.float32)  # of the channels of the output
SIDE = 32


@pytest.fixture
def make_net(tmp_path: Path) -> Callable[..., Path]:
    """Makes ``net.onnx``: a 1x1 convolution of the picture, and a sigmoid unless ``logits``."""

    def make(
        *,
        layout: str = "NCHW",
        size: Sequence[int | str] = (SIDE, SIDE),  # height, width
        batch: int | str = 1,
        channels: int = 1,
        logits: bool = False,
        first: Sequence[onnx.NodeProto] = (),  # nodes from x to picture
        constants: dict[str, Any] | None = None,
        more_outputs: bool = False,
        opset: int = 17,
        weights: Any = ((3, -2, 1), (-1, 2, 0.5)),  # by channel of the output, then of the input
    ) -> Path:
        shape = [batch, 3, *size] if layout == "NCHW" else [batch, *size, 3]
        out = [batch, channels, *size] if layout == "NCHW" else [batch, *size, channels]
        kernel = np.asarray(weights, np.float32)[:channels]
        held = {"w": kernel[..., None, None], "b": BIAS[:channels], **(constants or {})}
        nodes = list(first)
        value = nodes[-1].output[0] if nodes else "x"
        if layout == "NHWC":
            nodes.append(helper.make_node("Transpose", [value], ["turned"], perm=[0, 3, 1, 2]))
            value = "turned"
        nodes.append(helper.make_node("Conv", [value, "w", "b"], ["logits"]))
        value = "logits"
        if not logits:
            nodes.append(helper.make_node("Sigmoid", [value], ["soft"]))
            value = "soft"
        if layout == "NHWC":
            nodes.append(helper.make_node("Transpose", [value], ["back"], perm=[0, 2, 3, 1]))
            value = "back"
        nodes.append(helper.make_node("Identity", [value], ["answer"]))
        outputs = [helper.make_tensor_value_info("answer", TensorProto.FLOAT, out)]
        if more_outputs:
            nodes.append(helper.make_node("Neg", ["answer"], ["other"]))
            outputs.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, out))
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            outputs,
            [numpy_helper.from_array(np.asarray(v), k) for k, v in held.items()],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        onnx.save(model, tmp_path / "net.onnx")
        return tmp_path / "net.onnx"

    return make
