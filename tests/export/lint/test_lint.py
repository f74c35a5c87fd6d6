"""Every rule finds what it is about in a small graph that has it, and nothing in others."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="the extra `export` is not installed")
onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")

import torch  # noqa: E402
from torch import Tensor as Values  # noqa: E402
from torch import nn  # noqa: E402

from edgematte.cli import main  # noqa: E402
from edgematte.export.capture import Capture, TorchGraph, capture  # noqa: E402
from edgematte.export.lint import onnx as of_onnx  # noqa: E402
from edgematte.export.lint.captured import seen_in_capture  # noqa: E402
from edgematte.export.lint.saturation import Layer  # noqa: E402
from edgematte.export.lint.seen import Seen  # noqa: E402
from edgematte.export.lint.values import half_range, out_of_range  # noqa: E402
from edgematte.export.targets import writer_of  # noqa: E402
from edgematte.finding import Finding  # noqa: E402
from edgematte.manifest import FILE, FORMAT, Graph, Manifest, Tensor, Weights  # noqa: E402
from edgematte.runtime.nets.lightweight.host import SplitHost  # noqa: E402
from edgematte.targets import TARGETS  # noqa: E402

pytestmark = pytest.mark.export
Said = pytest.CaptureFixture[str]
SHAPE = (1, 3, 16, 16)
HOST = SplitHost(size=(64, 64), patch=32, overlap=8, unknown_threshold=0.35, band_px=2)


def manifest(target: str, precision: str, **options: str) -> Manifest:
    origin = Weights("the tests", "")
    return Manifest(FORMAT, "lightweight", target, precision, {}, HOST, (), origin, {}, options)


def graph_of(shape: tuple[int, ...] = SHAPE, made: tuple[int, ...] = SHAPE) -> Graph:
    both = [
        Tensor(name, sides, "float32", "NCHW", (0.0, 1.0), "of the tests")
        for name, sides in (("image", shape), ("alpha", made))
    ]
    return Graph("matte", (both[0],), (both[1],), "matte")


class Net(nn.Module):
    """Applies a function."""

    def __init__(self, function: Callable[[Values], Values]) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: Values) -> Values:
        return self.function(image)


def captured(function: Callable[[Values], Values], graph: Graph | None = None) -> Capture:
    return capture(TorchGraph(graph or graph_of(), Net(function)))


def picture(shape: tuple[int, ...] = SHAPE) -> dict[str, NDArray[np.float32]]:
    return {"image": np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)}


def rules(found: Any) -> list[str]:
    return [finding.rule for finding in found]


def test_values_that_half_precision_does_not_hold_are_named_with_their_size() -> None:
    def scaled(image: Values) -> Values:
        return torch.sigmoid((image * 300) ** 2 / 1000)  # 90,000 in between

    seen = seen_in_capture(captured(scaled), [picture()])
    (found,) = half_range(graph_of(), seen, manifest("onnx", "fp16"))
    assert found.rule == "half-range" and "9e+04" in found.what and "of 1 beyond it" in found.what
    assert "pow" in found.what and found.source == "apple/coremltools#1380"
    for target, precision, expected in (
        ("coreml", "fp16", 1),
        ("coreml", "int8", 1),
        ("coreml", "fp32", 0),
        ("litert", "fp32", 1),  # GPU delegates
        ("onnx", "fp32", 0),
        ("onnx", "int8", 0),
    ):
        assert len(list(half_range(graph_of(), seen, manifest(target, precision)))) == expected
    small = seen_in_capture(captured(lambda x: torch.sigmoid(x * 300)), [picture()])
    assert not list(half_range(graph_of(), small, manifest("onnx", "fp16")))


def test_a_second_picture_counts_too() -> None:
    graph = captured(lambda x: torch.sigmoid(x * x))
    large = {"image": picture()["image"] * 300}
    first, both = (seen_in_capture(graph, given) for given in ([picture()], [picture(), large]))
    assert max(first.largest.values()) <= 1 and max(both.largest.values()) == 300**2
    assert both.calls == 2 and both.outputs["alpha"].max() < 0.75  # of the golden call alone


def test_values_that_are_not_finite_count_as_beyond() -> None:
    seen = seen_in_capture(captured(lambda x: torch.sigmoid(torch.exp(x * 1000))), [picture()])
    (found,) = half_range(graph_of(), seen, manifest("coreml", "fp16"))
    assert "inf" in found.what


@pytest.mark.parametrize(
    ("low", "high", "wrong"),
    [(0, 1, False), (-9e-6, 1 + 9e-6, False), (-2e-5, 1, True), (0, 1.0001, True)],
)
def test_alpha_outside_of_the_unit_range_is_found(low: float, high: float, wrong: bool) -> None:
    value = np.full(SHAPE, 0.5, np.float32)
    value[0, 0, 3, 5], value[0, 0, 7, 7] = low, high
    found = list(out_of_range(graph_of(), Seen({"alpha": value})))
    assert rules(found) == (["outside-unit-range"] if wrong else [])
    assert all("matte.alpha" in finding.where for finding in found)


def onnx_file(folder: Path, nodes: list[Any], values: Mapping[str, Any], side: Any = 16) -> Path:
    make, real = onnx.helper, onnx.TensorProto.FLOAT
    ends = [make.make_tensor_value_info(n, real, [1, 3, side, 16]) for n in ("image", "alpha")]
    constants = [onnx.numpy_helper.from_array(np.asarray(v), n) for n, v in values.items()]
    graph = make.make_graph(nodes, "matte", ends[:1], ends[1:], constants)
    file = folder / "matte.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)]), str(file))
    return file


def looked(file: Path, precision: str = "fp32", **options: str) -> list[Finding]:
    return list(of_onnx.findings(file, graph_of(), manifest("onnx", precision, **options), None))


def test_dynamic_operators_and_open_sides_of_onnx_files_are_found(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    plain = [node("Relu", ["image"], ["alpha"])]
    assert not looked(onnx_file(tmp_path, plain, {}))
    (found,) = looked(onnx_file(tmp_path, plain, {}, side="height"))
    assert found.rule == "dynamic" and "image [1, 3, height, 16]" in found.what
    nodes = [node("NonZero", ["image"], ["places"]), *plain]
    (found,) = looked(onnx_file(tmp_path, nodes, {}))
    assert found.rule == "dynamic" and "NonZero 1" in found.what


def test_hardswish_is_found_in_files_for_phones(tmp_path: Path) -> None:
    file = onnx_file(tmp_path, [onnx.helper.make_node("HardSwish", ["image"], ["alpha"])], {})
    assert not looked(file)
    (found,) = looked(file, ort="True")
    assert found.rule == "hardswish" and found.source == "apple/coremltools#2625"


@pytest.mark.parametrize(
    ("weights", "risky"),
    [
        ([[64, 64]], 0),  # (64 + 64) * 255 is less than 32767
        ([[64, 65]], 1),
        ([[127, -127]], 0),  # they cancel: each alone is held
        ([[-65, -64]], 1),
        ([[64, 1, 127, 2, 127]], 1),  # 127 + 2; the last has no neighbour
        ([[100, 100], [1, 1]], 1),
    ],
)
def test_pairs_that_saturate_are_counted_as_the_instruction_adds_them(
    weights: list[list[int]], risky: int
) -> None:
    """vpmaddubsw by brute force: the sum of two products of a byte each, in 16 bits."""
    array = np.array(weights, np.int8)
    assert Layer("conv", array).risky == risky
    brute = 0
    for row in weights:
        for first, second in zip(row[::2], row[1::2], strict=False):
            sums = [a * first + b * second for a in (0, 255) for b in (0, 255)]
            brute += any(not -32768 <= total <= 32767 for total in sums)
    assert brute == risky


@pytest.mark.parametrize(
    ("kind", "size", "found"), [(np.uint8, 127, 1), (np.uint8, 50, 0), (np.int8, 127, 0)]
)
def test_int8_that_saturates_is_found_where_activations_are_unsigned(
    kind: type, size: int, found: int, tmp_path: Path
) -> None:
    node = onnx.helper.make_node
    nodes = [
        node("QuantizeLinear", ["image", "scale", "zero"], ["bytes"]),
        node("DequantizeLinear", ["bytes", "scale", "zero"], ["given"]),
        node("DequantizeLinear", ["steps", "scale", "none"], ["weights"]),
        node("Conv", ["given", "weights"], ["alpha"], name="conv"),
    ]
    values = {
        "scale": np.float32(0.01),
        "zero": kind(0),
        "none": np.int8(0),
        "steps": np.full((3, 3, 1, 1), size, np.int8),
    }
    file = onnx_file(tmp_path, nodes, values)
    told = looked(file, "int8")
    assert rules(told) == ["int8-saturation"] * found
    assert not looked(file, "w8a16")
    if told:
        assert "1 of 1 layers" in told[0].what and "3 in all, most in conv" in told[0].what


def test_int8_that_saturates_is_found_in_openvinos_files(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    from openvino import opset13 as ops

    from edgematte.export.lint import openvino as of_openvino

    def saved(size: int) -> Path:
        image = ops.parameter(list(SHAPE), np.float32, name="image")
        given = ops.fake_quantize(image, 0.0, 1.0, 0.0, 1.0, 256)
        steps = ops.constant(np.full((3, 3, 1, 1), size, np.int8))
        weights = ops.multiply(ops.convert(steps, np.float32), np.float32(0.01))
        conv = ops.convolution(given, weights, [1, 1], [0, 0], [0, 0], [1, 1])
        file = tmp_path / f"{size}.xml"
        openvino.save_model(openvino.Model([conv], [image]), file, compress_to_fp16=False)
        return file

    def found(size: int) -> list[str]:
        told = manifest("openvino", "int8")
        return rules(of_openvino.findings(saved(size), graph_of(), told, None))

    assert found(127) == ["int8-saturation"] and found(50) == []


CORE_ML: dict[str, tuple[Callable[[Values], Values], tuple[int, ...], list[str]]] = {
    "hardswish": (nn.functional.hardswish, SHAPE, ["hardswish"]),
    "written out": (lambda x: x * torch.clamp(x + 3, 0, 6) / 6, SHAPE, []),
    "attention of 10": (
        lambda x: nn.functional.scaled_dot_product_attention(x, x, x),
        (10, 2, 4, 8),
        ["batched-attention"],
    ),
    "attention of 9": (
        lambda x: nn.functional.scaled_dot_product_attention(x, x, x),
        (9, 2, 4, 8),
        [],
    ),
    "gelu by tanh": (lambda x: nn.functional.gelu(x, approximate="tanh"), SHAPE, ["gelu-tanh"]),
    "gelu": (nn.functional.gelu, SHAPE, []),
}


@pytest.mark.parametrize("case", CORE_ML)
def test_what_devices_of_apple_get_wrong_is_found(case: str, tmp_path: Path) -> None:
    pytest.importorskip("coremltools", reason="the extra `coreml` is not installed")
    from edgematte.export.lint import coreml

    function, shape, expected = CORE_ML[case]
    target, graph = TARGETS["coreml"], graph_of(shape, shape)
    options = target.options("fp16")
    made = captured(function, graph)
    writer = writer_of(target)
    declared = writer.save(writer.build(made, options), graph, tmp_path, "", options)
    seen = seen_in_capture(made, [picture(shape)])
    told = manifest("coreml", "fp16")
    found = list(coreml.findings(tmp_path / declared.file, declared, told, seen))
    assert rules(found) == expected
    assert all(finding.source.startswith("apple/coremltools#") for finding in found)


EXPORT = ["export", "--model", "lightweight", "--target", "onnx", "--cut", "fused", "--size", "64"]


def test_findings_are_in_the_manifest_the_report_and_what_info_prints(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, png: Callable[..., Path]
) -> None:
    """With a half precision whose largest number is 4 the net has values beyond it.

    They are measured on the golden call and on two pictures that are given.
    """
    from edgematte.export.lint import values

    monkeypatch.setattr(values, "HALF_MOST", 4.0)
    output = tmp_path / "net.edgematte"
    photos = png("photos/one.png").parent
    png("photos/two.png", 50, 70)
    half = ["--precision", "fp16", "--calibration", str(photos)]
    assert main([*EXPORT, *half, "--output", str(output)]) == 0
    out = capsys.readouterr().out
    assert "on other devices: matte: values of" in out and "measured on 3 calls" in out
    lint = json.loads((output / FILE).read_text())["lint"]
    (found,) = [row for row in lint if row["rule"] == "half-range"]
    assert set(found) == {"rule", "where", "what", "why", "change", "source"}
    assert found["what"] in (output / "REPORT.md").read_text()
    assert main(["info", str(output)]) == 0
    assert found["what"] in capsys.readouterr().out


def test_that_nothing_was_looked_for_is_told_from_nothing_found(
    exported: Callable[..., Path], tiny_bundle: Path, capsys: Said
) -> None:
    assert main(["info", str(tiny_bundle)]) == 0
    assert "on other devices: not looked for" in capsys.readouterr().out
    assert main(["info", str(exported("onnx"))]) == 0
    assert "on other devices: nothing that is known" in capsys.readouterr().out
