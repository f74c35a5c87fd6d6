"""Half precision: what it must not touch stays in float32."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgematte
from edgematte.cli import main
from edgematte.export.foreign.cancellation import cancelling
from edgematte.export.foreign.importer import import_onnx
from edgematte.export.onnx_file import halved
from edgematte.testcard import testcard as drawn

SIDE = 32
FAR = 1000.0


def test_factors_that_two_resizes_share_are_cast_once() -> None:
    factors = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "f")
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["f"], name="e", value=factors),
            helper.make_node("Relu", ["x"], ["r"], name="a"),
            helper.make_node("Resize", ["r", "", "f"], ["one"], name="b", mode="nearest"),
            helper.make_node("Resize", ["r", "", "f"], ["two"], name="c", mode="linear"),
            helper.make_node("Add", ["one", "two"], ["y"], name="d"),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    x = np.linspace(0, 1, 48, dtype=np.float32).reshape(1, 3, 4, 4)

    def run(made: onnx.ModelProto) -> np.ndarray:
        session = onnxruntime.InferenceSession(made.SerializeToString())
        return np.asarray(session.run(None, {"x": x})[0])

    whole, half = run(model), halved(model)
    onnx.checker.check_model(half, full_check=True)
    assert np.abs(run(half) - whole).max() < 2**-9  # two sums of halves up to 2


def far_off(make_net: Callable[..., Path]) -> Path:
    """A net that adds a thousand to its input and takes two thousand from what it makes of it."""
    return make_net(
        first=[helper.make_node("Add", ["x", "far"], ["moved"])],
        constants={"far": np.float32(FAR), "b": np.array([-0.4 - 2 * FAR], np.float32)},
    )


@pytest.mark.parametrize("target", ["onnx", "openvino"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_where_large_numbers_cancel_it_is_computed_in_float32(
    target: str, precision: str, make_net: Callable[..., Path], tmp_path: Path
) -> None:
    if target == "openvino":
        pytest.importorskip("openvino")
    bundle, _ = import_onnx(
        far_off(make_net), kind="matte", output=tmp_path / "b", scale=1 / 255, target=target,
        precision=precision,
    )  # fmt: skip
    pixels = drawn(SIDE, SIDE)
    logits = pixels.astype(np.float64) / 255 @ [3, -2, 1] - 0.4
    alpha = edgematte.load(bundle.path)(pixels).alpha
    # float32 sums of a thousand have steps of 6e-5 and 1.2e-4, of which a sigmoid leaves a quarter;
    # in fp16 they would have steps of 0.5.
    assert np.abs(alpha - 1 / (1 + np.exp(-logits))).max() < 3e-4
    assert bundle.manifest.graphs[0].precise
    report = (bundle.path / "REPORT.md").read_text()
    assert "Large numbers cancel in the graph" in report and "compute in float32" in report
    assert ("and stay in float32" in report) == (precision == "fp16")
    assert "shipped hint" not in report  # there is one arithmetic only
    assert main(["check", str(bundle.path), "--engine", "onnxruntime"]) == 0 or target != "onnx"


def test_only_the_node_that_loses_and_what_it_takes_are_kept(
    make_net: Callable[..., Path],
) -> None:
    model = onnx.load(far_off(make_net))
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"
    picture = drawn(SIDE, SIDE).transpose(2, 0, 1)[None].astype(np.float32) / 255
    assert cancelling(model, {"x": picture}) == {"n0", "n1"}  # the sum and the convolution
    plain = onnx.load(make_net())
    for number, node in enumerate(plain.graph.node):
        node.name = f"n{number}"
    assert cancelling(plain, {"x": picture}) == frozenset()
    half = halved(model, {"n0", "n1"})
    types = {w.name: w.data_type for w in half.graph.initializer}
    assert types["w"] == types["b"] == TensorProto.FLOAT
    casts = [n for n in half.graph.node if n.op_type == "Cast"]
    ends = {(c.input[0], c.output[0]) for c in casts}
    assert not any(source == "moved" or made == "moved" for source, made in ends)
