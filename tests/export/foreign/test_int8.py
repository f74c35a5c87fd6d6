"""INT8 of imported nets: the calibration, ladder and budget of every export, against the file."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgematte
from edgematte.cli import main
from edgematte.errors import OptionError, ToleranceError
from edgematte.export.foreign.importer import import_onnx
from edgematte.testcard import testcard as drawn

MakeNet = Callable[..., Path]  # conftest's
SIDE = 32
UNIT = ["--kind", "matte", "--scale", "1/255"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEMATTE_CACHE", str(tmp_path / "cache"))


def pictures(count: int = 8) -> Iterable[NDArray[np.uint8]]:
    for number in range(count):
        yield np.ascontiguousarray(np.roll(drawn(48, 40), 5 * number, axis=number % 3))


@pytest.mark.parametrize(("target", "layout"), [("onnx", "NCHW"), ("openvino", "NHWC")])
def test_int8_within_the_budget_against_the_file(
    target: str, layout: str, make_net: MakeNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if target == "openvino":
        pytest.importorskip("openvino")
        pytest.importorskip("nncf")
    shown = tmp_path / "shown"
    shown.mkdir()
    for number, picture in enumerate(pictures()):
        Image.fromarray(picture).save(shown / f"{number}.png")
    net, bundle = make_net(layout=layout, opset=11), tmp_path / "b"
    said = ["import", str(net), "-o", str(bundle), *UNIT, "--target", target]
    said += ["--precision", "int8", "--calibration", str(shown), "--json"]
    assert main(said) == 0
    told = json.loads(capsys.readouterr().out)
    (taken,) = [rung for rung in told["ladder"] if rung["chosen"]]
    assert taken["name"] == "w8a8" and taken["mad"] <= 0.01 and taken["inside"]
    assert main(["check", str(bundle)]) == 0
    assert main(["bench", str(bundle), "--runs", "1"]) == 0
    report = (bundle / "REPORT.md").read_text()
    assert "## INT8" in report and "**taken**" in report and "No PyTorch was there" in report
    pixels = drawn(SIDE, SIDE)
    logits = pixels.astype(np.float64) / 255 @ [3, -2, 1] - 0.4
    alpha = edgematte.load(bundle)(pixels).alpha
    # Three products of 8-bit weights and inputs, and a result of 8 bits over a range of about 6.
    off = np.abs(alpha - 1 / (1 + np.exp(-logits)))
    assert off.max() < 0.02 and off.mean() > 1e-5
    if target == "onnx":
        kinds = {node.op_type for node in onnx.load(bundle / "matte.onnx").graph.node}
        assert {"QuantizeLinear", "DequantizeLinear"} < kinds


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_int8_weights_alone(target: str, make_net: MakeNet, tmp_path: Path) -> None:
    if target == "openvino":
        pytest.importorskip("nncf")
    bundle, _ = import_onnx(
        make_net(opset=11), kind="matte", output=tmp_path / "b", scale=1 / 255, target=target,
        precision="int8-weights", calibration=pictures(),
    )  # fmt: skip
    pixels = drawn(SIDE, SIDE)
    logits = pixels.astype(np.float64) / 255 @ [3, -2, 1] - 0.4
    alpha = edgematte.load(bundle.path)(pixels).alpha
    # A weight is off by half of 3 / 127 at most; OpenVINO may compute in bf16.
    assert np.abs(alpha - 1 / (1 + np.exp(-logits))).max() < 0.02
    assert [rung.name for rung in bundle.manifest.ladder] == ["weights"]


def test_outside_of_the_budget_nothing_is_written(make_net: MakeNet, tmp_path: Path) -> None:
    with pytest.raises(ToleranceError, match="no INT8 rung is inside the budget"):
        import_onnx(
            make_net(), kind="matte", output=tmp_path / "b", scale=1 / 255, precision="int8",
            calibration=pictures(), budget=1e-9,
        )  # fmt: skip
    assert not (tmp_path / "b").exists()


def test_settings_of_int8_are_for_quantized_precisions(make_net: MakeNet, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="int8 is for quantized precisions, not for fp16"):
        import_onnx(
            make_net(), kind="matte", output=tmp_path / "b", scale=1, precision="fp16",
            int8=edgematte.export.Int8(),
        )  # fmt: skip
