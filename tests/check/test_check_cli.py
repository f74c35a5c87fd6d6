import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgematte.cli import main
from edgematte.errors import EngineError
from edgematte.runtime.bundle import open_bundle

Capture = pytest.CaptureFixture[str]
Reseal = Callable[[Path], None]
Rewrite = Callable[[Path, str, Callable[[dict[str, Any]], object]], None]


def one_line(capture: Capture, *parts: str) -> None:
    out, err = capture.readouterr()
    assert not out and len(err.splitlines()) == 1 and err.startswith("edgematte: ")
    for part in parts:
        assert part in err


@pytest.mark.parametrize("which", ["tiny_bundle", "default_bundle"])
def test_a_whole_bundle_is_within_tolerance(
    which: str, request: pytest.FixtureRequest, capsys: Capture
) -> None:
    assert main(["check", str(request.getfixturevalue(which))]) == 0
    out, err = capsys.readouterr()
    assert not err and out.splitlines()[-1] == "within tolerance"
    assert "ok  export      refine.alpha" in out and "!!" not in out


def test_json_has_every_comparison(tiny_bundle: Path, capsys: Capture) -> None:
    assert main(["check", str(tiny_bundle), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {"within_tolerance", "differences", "quality"}
    assert value["within_tolerance"] is True
    assert {"equality", "where", "engine", "max_abs", "mean_abs", "tolerance_max"} <= set(
        value["differences"][0]
    )
    assert {"region", "sad", "mse", "mad", "grad", "conn", "pixels"} <= set(value["quality"][0])


@pytest.mark.parametrize("damaged", ["segment", "refine"])
@pytest.mark.parametrize(
    "damage", ["one weight by 10 %", "red and blue swapped", "normalised twice"]
)
def test_a_damaged_graph_is_outside(
    damage: str, damaged: str, make_tiny: Callable[..., Path], capsys: Capture
) -> None:
    """Its sha256 fits: only the comparison with what was recorded can tell."""
    assert main(["check", str(make_tiny(damage, damaged)), "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert value["within_tolerance"] is False
    where = {d["where"]: d["max_abs"] for d in value["differences"] if d["engine"] != "numpy"}
    assert where[{"segment": "segment.trimap", "refine": "refine.alpha"}[damaged]] > 1e-3


def first_convolution(model: Any, name: str) -> Any:
    """The initializer of the first convolution that sees the input of that name."""
    helper = pytest.importorskip("onnx").numpy_helper
    weights = {i.name: i for i in model.graph.initializer}
    reached = {name}
    for node in model.graph.node:
        if reached & set(node.input):
            if node.op_type == "Conv" and node.input[1] in weights:
                return weights[node.input[1]], helper
            reached |= set(node.output)
    raise AssertionError(f"no convolution sees {name}")


def strongest_weight(model: Any, name: str) -> None:
    tensor, helper = first_convolution(model, name)
    array = helper.to_array(tensor).copy()
    array.flat[np.abs(array).argmax()] *= 1.1
    tensor.CopyFrom(helper.from_array(array, tensor.name))


def all_weights(model: Any, name: str) -> None:
    tensor, helper = first_convolution(model, name)
    tensor.CopyFrom(helper.from_array(helper.to_array(tensor) * np.float32(1.1), tensor.name))


def before_input(model: Any, name: str, node: Any, constant: Any) -> None:
    """Puts a node between an input and whoever reads it."""
    for reader in model.graph.node:
        reader.input[:] = [f"{name}_changed" if i == name else i for i in reader.input]
    model.graph.initializer.append(constant)
    model.graph.node.insert(0, node)


def channels_swapped(model: Any, name: str) -> None:
    onnx = pytest.importorskip("onnx")
    order = onnx.numpy_helper.from_array(np.array([2, 1, 0]), "order")
    node = onnx.helper.make_node("Gather", [name, "order"], [f"{name}_changed"], axis=1)
    before_input(model, name, node, order)


def normalised_twice(model: Any, name: str) -> None:
    onnx = pytest.importorskip("onnx")
    scale = onnx.numpy_helper.from_array(np.float32(1 / 255), "scale")
    node = onnx.helper.make_node("Mul", [name, "scale"], [f"{name}_changed"])
    before_input(model, name, node, scale)


@pytest.mark.parametrize("graph", ["segment", "refine"])
@pytest.mark.parametrize(
    "damage", [strongest_weight, all_weights, channels_swapped, normalised_twice]
)
def test_a_damaged_graph_of_the_real_net_is_outside(
    damage: Callable[[Any, str], None],
    graph: str,
    default_bundle: Path,
    reseal: Reseal,
    capsys: Capture,
) -> None:
    onnx = pytest.importorskip("onnx")
    if open_bundle(default_bundle).manifest.weights.source.startswith("random"):
        pytest.skip("an untrained net answers 0.5 whatever it sees: no damage shows")
    file = default_bundle / f"{graph}.onnx"
    model = onnx.load(file)
    damage(model, "image")
    onnx.save(model, file)
    reseal(default_bundle)
    assert main(["check", str(default_bundle), "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    bad = {d["where"] for d in value["differences"] if d["max_abs"] > (d["tolerance_max"] or 9)}
    assert any(where.startswith(f"{graph}.") for where in bad)


@pytest.mark.parametrize(
    ("name", "array", "where"),
    [
        ("refine", "out.alpha", "refine.alpha"),
        ("segment", "out.trimap", "segment.trimap"),
        ("end_to_end", "alpha", "alpha"),
        ("host", "reduced", "reduce.reduced"),
        ("host", "probability_patch", "crop.probability_patch"),
        ("host", "refined", "patches.refined"),
    ],
)
def test_a_record_that_differs_in_one_value_is_outside(
    name: str, array: str, where: str, tiny_bundle: Path, rewrite: Rewrite, capsys: Capture
) -> None:
    """Each record is really compared with: none may be there for show."""

    def change(arrays: dict[str, Any]) -> None:
        changed = arrays[array].copy()
        first = changed.flat[0]
        changed.flat[0] = not first if changed.dtype == bool else (0 if first else 1)
        if changed.dtype.kind == "f":
            changed.flat[0] = first + 1e-3
        arrays[array] = changed

    rewrite(tiny_bundle, name, change)
    assert main(["check", str(tiny_bundle), "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    bad = [d["where"] for d in value["differences"] if d["max_abs"] > d["tolerance_max"]]
    assert bad == [where]


def test_a_record_that_is_not_a_number_is_outside(
    tiny_bundle: Path, rewrite: Rewrite, capsys: Capture
) -> None:
    def change(arrays: dict[str, Any]) -> None:
        arrays["out.alpha"] = arrays["out.alpha"] * np.float32(np.nan)

    rewrite(tiny_bundle, "refine", change)
    assert main(["check", str(tiny_bundle)]) == 1
    assert "OUTSIDE the tolerance" in capsys.readouterr().out


def test_a_bundle_without_records_could_not_be_checked(
    tiny_bundle: Path, reseal: Reseal, capsys: Capture
) -> None:
    shutil.rmtree(tiny_bundle / "golden")
    reseal(tiny_bundle)
    assert main(["check", str(tiny_bundle)]) == 2
    one_line(capsys, "golden record", "cannot be read")


def test_a_damaged_record_could_not_be_checked(
    tiny_bundle: Path, reseal: Reseal, capsys: Capture
) -> None:
    (tiny_bundle / "golden" / "host.npz").write_bytes(b"PK\x03\x04 and then nothing")
    reseal(tiny_bundle)
    assert main(["check", str(tiny_bundle)]) == 2
    one_line(capsys, "host.npz cannot be read")


def test_a_host_record_without_an_array_could_not_be_checked(
    tiny_bundle: Path, rewrite: Rewrite, capsys: Capture
) -> None:
    rewrite(tiny_bundle, "host", lambda arrays: arrays.pop("probabilities"))
    assert main(["check", str(tiny_bundle)]) == 2
    one_line(capsys, "lacks the array 'probabilities'")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--engine", "tflite"], "unknown engine 'tflite'"),
        (["--engine", "coreml"], "engine coreml cannot run onnx graphs"),
        (["--engine", "mil"], "engine mil evaluates coreml bundles; this one is onnx"),
    ],
)
def test_an_engine_that_does_not_fit_is_one_line_and_exit_2(
    arguments: list[str], part: str, tiny_bundle: Path, capsys: Capture
) -> None:
    assert main(["check", str(tiny_bundle), *arguments]) == 2
    one_line(capsys, part)


def test_openvino_checks_onnx_bundles(tiny_bundle: Path, capsys: Capture) -> None:
    pytest.importorskip("openvino")
    assert main(["check", str(tiny_bundle), "--engine", "openvino"]) == 0
    assert "openvino, f32 hint" in capsys.readouterr().out


def test_coreml_without_coremltools_says_how_to_install_it(
    tiny_bundle: Path,
    edit_manifest: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    if sys.platform == "darwin":
        pytest.skip("Core ML itself runs here")
    edit_manifest(tiny_bundle, lambda m: m.update(target="coreml"))
    monkeypatch.setitem(sys.modules, "edgematte.export.mil.engine", None)  # importing it fails
    assert main(["check", str(tiny_bundle)]) == 2
    one_line(
        capsys,
        "evaluating coreml needs a package that is not installed",
        'pip install "edgematte[coreml]"',
    )


def test_live_weights_without_torch_say_how_to_install_it(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "edgematte.export.live", None)
    assert main(["check", str(tiny_bundle), "--weights", "shipped"]) == 2
    one_line(capsys, "--weights needs PyTorch", 'pip install "edgematte[export]"')


def test_a_graph_file_that_does_not_load_could_not_be_checked(
    tiny_bundle: Path, reseal: Reseal, capsys: Capture
) -> None:
    (tiny_bundle / "refine.onnx").write_bytes(b"text")
    reseal(tiny_bundle)
    assert main(["check", str(tiny_bundle)]) == 2
    one_line(capsys, "onnxruntime cannot load refine.onnx")
    with pytest.raises(EngineError):
        from edgematte.check.engines import check_engines
        from edgematte.check.run import check_bundle

        bundle = open_bundle(tiny_bundle)
        check_bundle(bundle, check_engines(bundle.manifest))


def test_without_a_target_s_engine_one_sentence_says_how_to_get_it(
    tiny_bundle: Path,
    edit_manifest: Callable[..., None],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """LiteRT's check computes in the arithmetic of a phone's GPU, too, which needs its package."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    for name in [name for name in sys.modules if name.startswith("edgematte.export.litert")]:
        monkeypatch.delitem(sys.modules, name)
    edit_manifest(tiny_bundle, lambda m: m.update(target="litert"))
    assert main(["check", str(tiny_bundle)]) == 2
    one_line(capsys, "engine litert is not installed", 'pip install "edgematte[litert]"')
