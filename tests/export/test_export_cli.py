"""`edgematte export` as a user types it: what it refuses, and what it leaves behind."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from edgematte.checkpoint import load_model, random_model, save_model  # noqa: E402
from edgematte.cli import main  # noqa: E402
from edgematte.errors import OptionError  # noqa: E402
from edgematte.export import export  # noqa: E402
from edgematte.nets import find  # noqa: E402

pytestmark = pytest.mark.export
LIGHTWEIGHT = find("lightweight")
Export = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(capsys: Capture, *arguments: str, code: int = 2) -> str:
    """Run an export that must fail with one line, and leave nothing behind; the line."""
    before = set(os.listdir())
    options = () if "--model" in arguments else ("--model", "lightweight", "--target", "onnx")
    assert main(["export", *options, *arguments]) == code
    lines = [x for x in capsys.readouterr().err.splitlines() if not x.endswith("...")]
    assert len(lines) == 1 and lines[0].startswith("edgematte: ")
    assert set(os.listdir()) == before
    return lines[0]


COREML = ["--model", "lightweight", "--target", "coreml"]
LITERT = ["--model", "lightweight", "--target", "litert"]
INT8, ENTROPY = ["--precision", "int8"], ["--range-method", "entropy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--size", "500"], "not a multiple of 64; the nearest are 448 and 512"),
        (["--size", "10"], "the nearest are 64 and 128"),
        (["--size", "512x"], "WIDTHxHEIGHT"),
        (["--patch", "100", "--graphs", "split"], "64 and 128"),
        (["--precision", "int3"], "no precision 'int3'; there are: fp32, fp16"),
        (["--graphs", "diced"], "no cut 'diced'; there are: fused, split"),
        (["--opset", "12"], "opset 12: a whole number from 18 to 26"),
        (["--io", "image"], "io has no meaning for lightweight to onnx"),
        (["--layout", "nhwc"], "layout has no meaning for lightweight to onnx"),
        ([*LITERT, "--layout", "nchw8"], "layout nchw8: there are nchw, nhwc"),
        ([*LITERT, "--alpha-bits", "16"], "alpha-bits has no meaning for lightweight to litert"),
        (["--weights", "absent.safetensors"], "no checkpoint at absent.safetensors"),
        (["--picture", "absent.png"], "no picture at absent.png"),
        (
            ["--model", "segway", "--target", "onnx"],
            "unknown model 'segway'; there are: lightweight",
        ),
        (["--model", "lightweight", "--target", "tflite"], "there are: onnx, openvino, coreml"),
        (["--model", "lightweight", "--target", "openvino", "--ort"], "ort has no meaning"),
        (["--weights", "x", "--random-weights"], "exclude each other"),
        (["--opset", "99"], "opset 99: a whole number from 18 to 26"),
        (
            ["--patch", "256"],
            "patch has no meaning for the cut fused of lightweight: it is of split",
        ),
        ([*COREML, "--io", "imge"], "io imge: there are tensor, image"),
        ([*COREML, "--io", "image", "--alpha-bits", "12"], "--alpha-bits 12: there are 8, 16"),
        ([*COREML, "--alpha-bits", "16"], "give io image with it"),
        ([*COREML, "--opset", "18"], "opset has no meaning for lightweight to coreml"),
        ([*COREML, "--min-ios", "9"], "--min-ios 9: there are 15, 16, 17, 18"),
        (["--io", "tensor"], "--io has no meaning for lightweight to onnx; there are: --opset"),
        (["--seed", "3"], "seed is of random weights and of calibration pictures"),
        (["--random-weights", "--seed", str(2**32)], "seed 4294967296: a whole number from 0"),
        (["--budget", "0.1"], "budget is for quantized precisions, not for fp32"),
        (["--calibration", "x"], "calibration is for quantized precisions"),
        (["--calibration-limit", "9"], "--calibration-limit is for quantized precisions"),
        (["--range-method", "minmax"], "--range-method is for quantized precisions"),
        ([*INT8, "--budget", "nan"], "budget nan: a number from 0 to 1"),
        ([*INT8, "--budget", "-1"], "budget -1: a number from 0 to 1"),
        ([*INT8, "--calibration-limit", "-1"], "--calibration-limit -1: at least 2 pictures"),
        ([*INT8, "--range-method", "median"], "there are minmax, percentile, entropy"),
        (["--precision", "int8-weights", "--range-method", "minmax"], "is of activations"),
        (["--model", "lightweight", "--target", "openvino", *INT8, *ENTROPY], "no entropy ranges"),
    ],
)
def test_options_that_do_not_fit_get_one_sentence(
    arguments: list[str], said: str, capsys: Capture
) -> None:
    assert said in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": "x.safetensors"}, "weights and a module exclude each other"),
        ({"random_weights": True}, "random_weights and a module exclude each other"),
        ({"config": {"k": 8}}, "config is of random weights"),
        ({"seed": 1}, "nothing is drawn here"),
        ({"opset": 18.5}, "opset 18.5: a whole number"),
        ({"alpha_bits": 12, "target": "coreml", "io": "image"}, "alpha_bits 12: there are 8, 16"),
        ({"io": "imge", "target": "coreml"}, "io imge: there are tensor, image"),
    ],
)
def test_python_refuses_what_the_shell_refuses(options: dict[str, Any], said: str) -> None:
    model, _ = random_model(LIGHTWEIGHT, {}, 0)
    with pytest.raises(OptionError, match=said):
        export(model, **{"target": "onnx", **options})
    assert not os.listdir()


def test_a_module_in_training_goes_on_training(tmp_path: Path) -> None:
    model, _ = random_model(LIGHTWEIGHT, {}, 0)
    model.train()
    frozen = model.get_submodule("sn")
    frozen.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    made = export(model, target="onnx", size=64, opset=21, output=tmp_path / "b.edgematte")
    assert model.training and not frozen.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    written = onnx.load(made.file(made.manifest.graphs[0]))
    assert [o.version for o in written.opset_import if not o.domain] == [21]
    assert made.manifest.options["opset"] == "21"


def test_an_existing_output_is_kept_without_force(exported: Export, capsys: Capture) -> None:
    bundle = exported("onnx", precision="fp32", graphs="fused")
    before = (bundle / "edgematte.json").read_bytes()
    assert "force" in refused(capsys, "--output", str(bundle))
    assert (bundle / "edgematte.json").read_bytes() == before


def test_wrong_keys_name_the_first_five(tmp_path: Path, capsys: Capture) -> None:
    model, _ = random_model(LIGHTWEIGHT, {}, 0)
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("mrn.en1")}
    torch.save({**state, "extra.weight": torch.zeros(1)}, tmp_path / "half.pth")
    line = refused(capsys, "--weights", "half.pth")
    assert "missing (mrn.en1." in line and "more)" in line
    assert line.count("mrn.en1.") == 5
    assert "1 keys unexpected (extra.weight)" in line


def test_weights_that_are_not_finite_are_named(tmp_path: Path, capsys: Capture) -> None:
    model, _ = random_model(LIGHTWEIGHT, {}, 0)
    model.get_parameter("sn.head.bias").data[1] = float("nan")
    save_model(model, dict(LIGHTWEIGHT.config), tmp_path / "nan.safetensors")
    assert "sn.head.bias holds values that are not finite" in refused(
        capsys, "--weights", "nan.safetensors"
    )


def test_a_checkpoint_of_another_configuration_says_so(tmp_path: Path, capsys: Capture) -> None:
    model, _ = random_model(LIGHTWEIGHT, {"ena": 0}, 0)
    save_model(model, {"ena": 1}, tmp_path / "plain.safetensors")
    said = refused(capsys, "--weights", "plain.safetensors")
    assert "the config beside it says ena 1, its tensors 0" in said


class Bomb:
    """Unpickling it would leave a file behind."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["bomb.pth", "cut.safetensors", "text.pth"])
def test_hostile_and_broken_checkpoints_are_refused_unexecuted(
    name: str, tmp_path: Path, capsys: Capture
) -> None:
    if name == "bomb.pth":
        (tmp_path / name).write_bytes(pickle.dumps({"w": Bomb()}))
    elif name == "cut.safetensors":
        model, _ = random_model(LIGHTWEIGHT, {}, 0)
        save_model(model, {}, tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:1000])
    else:
        (tmp_path / name).write_text("not weights")
    assert name in refused(capsys, "--weights", name)
    assert not (tmp_path / "exploded").exists()


def test_an_export_outside_its_tolerance_writes_nothing(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgematte.runtime.proof import tolerances

    tight = tolerances.Tolerance(1e-12, 1e-12)
    monkeypatch.setitem(tolerances.TOLERANCES, "fp32", tight)
    line = refused(capsys, "--random-weights", "--size", "64", code=1)
    assert "outside the tolerance" in line and "force writes it all the same" in line


def test_json_tells_a_script_all_it_needs(capsys: Capture) -> None:
    arguments = ["--random-weights", "--size", "64", "--output", "small.edgematte", "--json"]
    assert main(["export", "--model", "lightweight", "--target", "onnx", *arguments]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["bundle"] == "small.edgematte" and said["within_tolerance"] is True
    assert said["bytes"]["matte"] == os.path.getsize("small.edgematte/matte.onnx")


def test_live_pytorch_agrees_and_other_weights_do_not(
    exported: Export, tmp_path: Path, capsys: Capture
) -> None:
    bundle = str(exported("onnx", precision="fp32", graphs="fused"))
    same, _ = load_model(LIGHTWEIGHT)
    save_model(same, dict(LIGHTWEIGHT.config), tmp_path / "same.safetensors")
    assert main(["check", bundle, "--weights", "same.safetensors"]) == 0
    assert "cut" in capsys.readouterr().out
    other, _ = random_model(LIGHTWEIGHT, {}, 1)
    save_model(other, dict(LIGHTWEIGHT.config), tmp_path / "other.safetensors")
    assert main(["check", bundle, "--weights", "other.safetensors"]) == 1


@pytest.mark.parametrize("stage", ["capturing", "writing", "checking"])
def test_ctrl_c_leaves_nothing_behind(stage: str, tmp_path: Path, heeding: str) -> None:
    command = [sys.executable, "-c", heeding, "export", "--model", "lightweight"]
    options = ["--target", "onnx", "--random-weights", "--size", "64"]
    process = subprocess.Popen(
        [*command, *options], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(stage):
            time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()
    assert process.wait(timeout=120) == 130
    assert "Traceback" not in rest and rest.strip().endswith("nothing half-written was left")
    assert os.listdir(tmp_path) == []
