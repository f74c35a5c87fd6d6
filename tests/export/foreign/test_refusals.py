"""What cannot be imported is one sentence, exit code 2, and nothing is written."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from edgematte.cli import main

MakeNet = Callable[..., Path]  # conftest's
SIDE = 32
PICTURE = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
MAP = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, SIDE, SIDE])
MEAN = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1)
Make = Callable[[Path, MakeNet], Path]


def of(
    folder: Path,
    *nodes: onnx.NodeProto,
    inputs: Iterable[Any] = (PICTURE,),
    outputs: Iterable[Any] = (MAP,),
    constants: Iterable[Any] = (),
) -> Path:
    """A file with a graph of these nodes."""
    graph = helper.make_graph(list(nodes), "net", list(inputs), list(outputs), list(constants))
    known = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=known, ir_version=8), folder / "net.onnx")
    return folder / "net.onnx"


def two_inputs(folder: Path, _: MakeNet) -> Path:
    other = helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 1, SIDE, SIDE])
    return of(folder, helper.make_node("Add", ["x", "state"], ["y"]), inputs=[PICTURE, other])


def no_rank(folder: Path, _: MakeNet) -> Path:
    free = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    return of(folder, MEAN, inputs=[free])


def no_outputs(folder: Path, _: MakeNet) -> Path:
    return of(folder, MEAN, outputs=[])


def an_unknown_type(folder: Path, _: MakeNet) -> Path:
    other = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    other.type.tensor_type.elem_type = 32767
    return of(folder, MEAN, inputs=[other])


def a_huge_picture(folder: Path, _: MakeNet) -> Path:
    wide = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, 2**31])
    return of(folder, MEAN, inputs=[wide])


def no_map(folder: Path, _: MakeNet) -> Path:
    flat = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])
    pool = helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    return of(folder, pool, outputs=[flat])


def boxes(folder: Path, _: MakeNet) -> Path:
    shape = numpy_helper.from_array(np.array([1, 6, SIDE * SIDE // 2], np.int64), "shape")
    listed = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6, SIDE * SIDE // 2])
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    return of(folder, node, outputs=[listed], constants=[shape])


def custom(folder: Path, _: MakeNet) -> Path:
    node = helper.make_node("Segment", ["x"], ["y"], domain="com.example")
    graph = helper.make_graph([node], "net", [PICTURE], [MAP])
    known = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    onnx.save(helper.make_model(graph, opset_imports=known, ir_version=8), folder / "net.onnx")
    return folder / "net.onnx"


def hidden(folder: Path, _: MakeNet) -> Path:
    """The custom operator is inside of a branch."""
    inner = [helper.make_node("Segment", ["x"], ["z"], domain="com.microsoft")]
    branch = helper.make_graph(inner, "b", [], [helper.make_tensor_value_info("z", 1, None)])
    yes = numpy_helper.from_array(np.array(True), "yes")
    node = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    return of(folder, node, constants=[yes])


def unknown(folder: Path, _: MakeNet) -> Path:
    return of(folder, helper.make_node("Segment", ["x"], ["y"]))


def external(location: str) -> Make:
    def make(folder: Path, net: MakeNet) -> Path:
        model = onnx.load(net())
        weight = model.graph.initializer[0]
        (folder.parent / "weights.bin").write_bytes(weight.raw_data)
        set_external_data(weight, str(location).format(folder=folder.parent), 0, 12)
        weight.ClearField("raw_data")
        onnx.save(model, folder / "net.onnx")
        return folder / "net.onnx"

    return make


def linked(folder: Path, net: MakeNet) -> Path:
    path = external("weights.bin")(folder, net)
    (folder / "weights.bin").symlink_to(folder.parent / "weights.bin")
    return path


def too_new(folder: Path, net: MakeNet) -> Path:
    model = onnx.load(net())
    model.opset_import[0].version = 99
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def truncated(folder: Path, net: MakeNet) -> Path:
    path = net()
    path.write_bytes(path.read_bytes()[:-40])
    return path


def empty(folder: Path, _: MakeNet) -> Path:
    (folder / "net.onnx").write_bytes(b"")
    return folder / "net.onnx"


def a_picture(folder: Path, _: MakeNet) -> Path:
    source = Path(__file__).parents[3] / "samples" / "astronaut.jpg"
    return Path(shutil.copy(source, folder / "net.onnx"))


def nan(folder: Path, _: MakeNet) -> Path:
    zero = numpy_helper.from_array(np.float32(-1), "minus")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["m", "minus"], ["n"]),
        helper.make_node("Log", ["n"], ["y"]),
    ]
    return of(folder, *nodes, constants=[zero])


def halves(folder: Path, net: MakeNet) -> Path:
    model = onnx.load(net())
    for at, weight in enumerate(model.graph.initializer):
        half = numpy_helper.to_array(weight).astype(np.float16)
        model.graph.initializer[at].CopyFrom(numpy_helper.from_array(half, weight.name))
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def small(folder: Path, _: MakeNet) -> Path:
    """8-bit weights that are made float32 by a cast, without any quantizing node."""
    weights = numpy_helper.from_array(np.ones((1, 3, 3, 3), np.int8), "small")
    nodes = [
        helper.make_node("Cast", ["small"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["x", "weights"], ["y"], pads=[1, 1, 1, 1]),
    ]
    return of(folder, *nodes, constants=[weights])


def quantized(folder: Path, _: MakeNet) -> Path:
    scale = numpy_helper.from_array(np.float32(0.1), "s")
    zero = numpy_helper.from_array(np.uint8(0), "z")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=1),
        helper.make_node("QuantizeLinear", ["m", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    return of(folder, *nodes, constants=[scale, zero])


def no_text(folder: Path, make_net: MakeNet) -> Path:
    """An operator's name that is no UTF-8, as one flipped bit makes it."""
    file = make_net()
    file.write_bytes(file.read_bytes().replace(b"Sigmoid", b"Sigm\xff\xfed"))
    return file


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (two_inputs, "has 2 inputs (x, state): nets with one, the picture, are imported"),
        (no_rank, "no known number of axes; export it again with four"),
        (no_outputs, "has no output: export the net again"),
        (an_unknown_type, "its input is of an unknown type, 32767; it should be float32"),
        (a_huge_picture, "[1, 3, 32, 2147483648]; sides are a whole number of pixels from 1 to"),
        (no_map, "its output is [1, 3], no map of a picture of 32x32"),
        (boxes, "its output is [1, 6, 512], no map of a picture"),
        (custom, "'Segment' of 'com.example', which is none of ONNX's own"),
        (hidden, "'Segment' of 'com.microsoft', which is none of ONNX's own"),
        (unknown, "'Segment', which ONNX's opset 17 does not have"),
        (external("../weights.bin"), "outside of its folder, which are not read"),
        (external("{folder}/weights.bin"), "outside of its folder, which are not read"),
        (linked, "outside of its folder, which are not read"),
        (external("missing.bin"), "lacks its weights 'missing.bin'"),
        (too_new, "is of opset 99, too new: opsets 7 to 26 are read"),
        (truncated, "is not an ONNX file, or is cut short"),
        (no_text, "it has names that are no text"),
        (empty, "cut short; download or export it again"),
        (a_picture, "is not an ONNX file, or is cut short"),
        (nan, "gives values that are not finite"),
        (halves, "has fp16 weights: import the fp32 file"),
        (small, "has int8 weights: import the fp32 file"),
        (quantized, "is quantized already (QuantizeLinear): import the fp32 file"),
        (lambda folder, _: folder / "none.onnx", "none.onnx is not there: give an ONNX file"),
        (lambda _, net: net(batch=2), "it should be one picture of three channels"),
    ],
)
def test_files(
    make: Make,
    sentence: str,
    make_net: MakeNet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused(make(tmp_path, make_net), ["--scale", "1/255"], sentence, tmp_path, capsys)


@pytest.mark.parametrize(
    ("net", "options", "sentence"),
    [
        ({}, [], "cannot be read from the file: give mean and std, scale (1/255"),
        ({}, ["--preset", "rvm"], "--state 'r1i': the inputs of"),
        ({}, ["--scale", "1", "--target", "coreml"], "an ONNX file does not hold: bring the"),
        ({}, ["--scale", "1", "--precision", "int4"], "has no precision 'int4'; there are: fp32"),
        ({}, ["--scale", "1", "--budget", "0.1"], "--budget is for quantized precisions, not for"),
        ({}, ["--scale", "1", "--seed", "3"], "--seed is of calibration pictures: nothing"),
        (
            {},
            ["--scale", "1", "--precision", "int8", "--calibration", "none"],
            "no folder of calibration pictures at none",
        ),
        ({}, ["--scale", "1", "--precision", "int8", "--budget", "-1"], "--budget -1"),
        ({}, ["--scale", "1", "--target", "tflite"], "unknown target 'tflite'; there are: onnx"),
        ({}, ["--preset", "sam"], "--preset 'sam': there are: modnet, u2net, isnet, birefnet"),
        ({"size": ("h", "w")}, ["--scale", "1"], "--size is needed: the input of"),
        ({}, ["--scale", "1", "--size", "64"], "--size 64x64: the input of"),
        ({"more_outputs": True}, ["--scale", "1"], "has 2 outputs, answer, other; say which"),
        ({}, ["--scale", "1", "--output-name", "z"], "--output-name 'z': the outputs of"),
        ({"channels": 2}, ["--scale", "1"], "has 2 channels; say which is the subject, 0 to 1"),
        ({}, ["--scale", "1", "--class-index", "1"], "--class-index 1: the output of"),
        ({}, ["--scale", "1", "--sigmoid", "--min-max"], "--sigmoid and --min-max: give one"),
        ({}, ["--scale", "1", "--softmax"], "the output has one channel; is it a sigmoid?"),
        ({}, ["--mean", "a"], "--mean 'a' should be a number, or three with commas"),
        ({}, ["--mean", "1,2"], "--mean 1.0, 2.0: one number, or three"),
        ({}, ["--std", "0"], "--std [0.0]: numbers above 0"),
        ({}, ["--scale", "1/0"], "--scale '1/0' should be a number"),
        ({}, ["--scale", "1,1,1"], "--scale '1,1,1': one number"),
        ({}, ["--scale", "2"], "--scale 2: above 0, 1 at the most"),
        ({}, ["--scale", "nan"], "--scale nan: above 0"),
        ({}, ["--scale", "1", "--channel-order", "RBG"], "--channel-order 'RBG': there are: RGB"),
        ({}, ["--scale", "1", "--kind", "alpha"], "--kind 'alpha': there are: matte, mask"),
    ],
)
def test_options(
    net: dict[str, object],
    options: list[str],
    sentence: str,
    make_net: MakeNet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused(make_net(**net), options, sentence, tmp_path, capsys)


def refused(
    path: Path,
    options: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(tmp_path.iterdir())
    said = ["import", str(path), "-o", str(tmp_path / "b.edgematte"), "--kind", "matte", *options]
    assert main(said) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("edgematte")]
    assert len(lines) == 1 and sentence in lines[0], lines
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_there_stays(
    make_net: MakeNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.edgematte").mkdir()
    (tmp_path / "b.edgematte" / "mine.txt").write_text("mine")
    refused(make_net(), ["--scale", "1", "--force"], "is no bundle", tmp_path, capsys)
    assert (tmp_path / "b.edgematte" / "mine.txt").read_text() == "mine"


def test_there_is_no_network_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ["export", "--model", "foreign", "--target", "onnx", "--output", str(tmp_path / "b")]
    assert main(said) == 2
    assert "has no network to export: import the ONNX file again" in capsys.readouterr().err
