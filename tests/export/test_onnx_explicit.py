"""ONNX files with nothing left to be guessed compute what they computed before."""

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the writer of ONNX files needs onnx")
import onnxruntime  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from edgematte.export.targets.onnx_explicit import joined, shapes_of, write_out  # noqa: E402

pytestmark = pytest.mark.export
SHAPE = (1, 6, 12, 10)


def model_of(nodes: list[Any], weights: dict[str, Any], shape: Any = SHAPE) -> Any:
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return onnx.shape_inference.infer_shapes(made)


def answer(model: Any, shape: Any = SHAPE) -> Any:
    x = np.random.default_rng(0).random(shape, np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"x": x})[0]


def written(nodes: list[Any], weights: dict[str, Any], shape: Any = SHAPE) -> Any:
    """The model written out, once it is known to be valid and to compute the same."""
    model = model_of(nodes, weights, shape)
    before = answer(model, shape)
    write_out(model)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(answer(model, shape), before)
    return model


def attributes(model: Any, operator: str) -> dict[str, Any]:
    (node,) = (n for n in model.graph.node if n.op_type == operator)
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def test_windows_and_interpolations_are_written_out() -> None:
    """Readers differ in what they take an absent attribute for."""
    weights = {
        "w": np.random.default_rng(1).random((4, 6, 3, 5), np.float32),
        "s": np.array([1, 1, 2, 2], np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2]),
        helper.make_node("Resize", ["b", "", "s"], ["c"]),
        helper.make_node("Softmax", ["c"], ["y"]),
    ]
    model = written(nodes, weights)
    conv = attributes(model, "Conv")
    assert conv["kernel_shape"] == [3, 5] and conv["dilations"] == conv["strides"] == [1, 1]
    assert conv["pads"] == [0] * 4 and conv["group"] == 1
    assert attributes(model, "MaxPool")["strides"] == [1, 1]
    resize = attributes(model, "Resize")
    assert resize["mode"] == b"nearest" and resize["nearest_mode"] == b"round_prefer_floor"
    assert resize["coordinate_transformation_mode"] == b"half_pixel" and resize["antialias"] == 0
    assert attributes(model, "Softmax")["axis"] == -1
    for node in model.graph.node:
        known = onnx.defs.get_schema(node.op_type, 18).attributes
        defaults = {n for n, a in known.items() if a.default_value.name}
        assert defaults <= {a.name for a in node.attribute}
        assert all(node.input)  # an empty name is a value of unknown shape to some readers


def test_what_is_said_already_stays() -> None:
    weights = {"w": np.random.default_rng(1).random((6, 3, 3, 3), np.float32)}
    conv = helper.make_node(
        "Conv", ["x", "w"], ["y"], group=2, strides=[2, 1], auto_pad="SAME_UPPER"
    )
    said = attributes(written([conv], weights), "Conv")
    assert said["group"] == 2 and said["strides"] == [2, 1] and "pads" not in said


def test_axes_of_a_slice_are_sorted_with_what_goes_with_them() -> None:
    weights = {
        "b": np.array([1, 0, 2]),
        "e": np.array([9, 2, 6]),
        "axes": np.array([3, 1, 2]),
        "step": np.array([2, 1, 1]),
    }
    cut = helper.make_node("Slice", ["x", "b", "e", "axes", "step"], ["y"])
    model = written([cut], weights)
    (node,) = model.graph.node
    kept = {w.name: numpy_helper.to_array(w).tolist() for w in model.graph.initializer}
    assert [kept[name] for name in node.input[1:]] == [[0, 2, 1], [2, 6, 9], [1, 2, 3], [1, 1, 2]]
    assert set(kept) == set(node.input[1:])  # those in the old order are gone


@pytest.mark.parametrize(
    ("lengths", "perm"),
    [
        ([1, 3, 2, 5, 4], (0, 1, 3, 2, 4)),
        ([3, 2, 5, 4, 6], (2, 3, 0, 1, 4)),
        ([3, 2, 5, 4, 6], (0, 2, 1, 3, 4)),
        ([3, 2, 5, 4, 6], (1, 3, 0, 2, 4)),
        ([2, 1, 3, 1, 1, 2], (5, 4, 0, 1, 2, 3)),
    ],
)
def test_joined_axes_are_the_same_transposition(lengths: list[int], perm: tuple[int, ...]) -> None:
    values = np.arange(np.prod(lengths)).reshape(lengths)
    fewer, order = joined(lengths, list(perm))
    assert len(fewer) <= len(lengths)
    np.testing.assert_array_equal(
        values.reshape(fewer).transpose(order).ravel(), values.transpose(perm).ravel()
    )


def test_transpositions_have_four_axes_where_those_do_and_others_stay() -> None:
    weights = {
        "five": np.array([2, 3, 4, 3, 10]),
        "back": np.array([12, 6, 10, 1]),
        "flat": np.array([1, 72, -1]),
    }

    def between(perm: list[int], name: str) -> list[Any]:
        return [
            helper.make_node("Transpose", ["a"], [f"{name}t"], perm=perm),
            helper.make_node("Reshape", [f"{name}t", "flat"], [name]),
        ]

    nodes = [helper.make_node("Reshape", ["x", "five"], ["a"])]
    nodes += between([2, 3, 0, 1, 4], "b") + between([1, 3, 0, 2, 4], "c")
    model = written([*nodes, helper.make_node("Add", ["b", "c"], ["y"])], weights)
    shapes = shapes_of(model)
    ranks = [len(shapes[n.output[0]]) for n in model.graph.node if n.op_type == "Transpose"]
    assert ranks == [3, 5]  # of the second no two axes stay neighbours


def test_a_transposition_that_others_read_keeps_its_axes() -> None:
    weights = {"five": np.array([2, 3, 4, 3, 10])}
    nodes = [
        helper.make_node("Reshape", ["x", "five"], ["a"]),
        helper.make_node("Transpose", ["a"], ["y"], perm=[2, 3, 0, 1, 4]),
    ]
    assert [len(n.input) for n in written(nodes, weights).graph.node] == [2, 1]


MAPS = {
    "w": np.random.default_rng(1).random((16, 6, 1, 1), np.float32),
    "v": np.random.default_rng(2).random((1, 6, 1, 1), np.float32),
    "matrices": np.random.default_rng(3).random((5, 10, 7), np.float32),
    "batch": np.array([3, 5, 8, 10]),
}


def repeated(operator: str) -> list[Any]:
    return [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Conv", ["x", "v"], ["b"]),
        helper.make_node(operator, ["a", "b"], ["y"]),
    ]


def multiplied() -> list[Any]:
    return [
        helper.make_node("Reshape", ["x", "batch"], ["a"]),
        helper.make_node("MatMul", ["a", "matrices"], ["y"]),
    ]


CASES = {
    "a single channel, multiplied": (repeated("Mul"), SHAPE),
    "a single channel, subtracted": (repeated("Sub"), SHAPE),
    "matrices for each head": (multiplied(), (1, 6, 20, 10)),
}


@pytest.mark.parametrize("case", CASES)
def test_opencv_repeats_single_channels_and_matrices(case: str, tmp_path: Any) -> None:
    """OpenCV 5.0 does not, if nobody helps; its sums are within 1e-6 of ONNX Runtime's."""
    cv2 = pytest.importorskip("cv2", reason="pip install opencv-python-headless, which reads ONNX")
    nodes, shape = CASES[case]
    used = {name for node in nodes for name in node.input}
    model = written(nodes, {k: v for k, v in MAPS.items() if k in used}, shape)
    file = tmp_path / "model.onnx"
    onnx.save(onnx.shape_inference.infer_shapes(model), file)
    net = cv2.dnn.readNetFromONNX(str(file))
    net.setInput(np.random.default_rng(0).random(shape, np.float32), "x")
    np.testing.assert_allclose(net.forward(), answer(model, shape), atol=1e-5)
