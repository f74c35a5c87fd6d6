import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgematte.errors import BundleError, EngineError, UnsupportedOpError
from edgematte.export.mil import MilProgram, package
from edgematte.export.mil.registry import OPERATIONS

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export


@pytest.fixture
def saved(bench: Any) -> Any:
    from coremltools.converters.mil import Builder as mb

    weight = np.ones((8, 4, 3, 3), np.float32)
    model = bench.build(
        lambda x: mb.conv(x=x, weight=weight, pad_type="valid"),
        [np.zeros((1, 4, 9, 9), np.float32)],
    )
    return bench.save(model)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no Core ML package .* at .*none.mlpackage"):
        MilProgram.load(tmp_path / "none.mlpackage")
    file = tmp_path / "file.mlpackage"
    file.write_text("not a folder")
    with pytest.raises(BundleError, match="a folder"):
        MilProgram.load(file)


def test_damaged(saved: Path, tmp_path: Path) -> None:
    for number, pattern in enumerate(("*.mlmodel", "Manifest.json", "weight.bin")):
        path = tmp_path / f"{number}.mlpackage"
        shutil.copytree(saved, path)
        (victim,) = path.rglob(pattern)
        victim.unlink()
        with pytest.raises(BundleError, match="cannot be read as a Core ML package") as raised:
            MilProgram.load(path)
        assert "\n" not in str(raised.value)
    path = tmp_path / "garbled.mlpackage"
    shutil.copytree(saved, path)
    (victim,) = path.rglob("*.mlmodel")
    victim.write_bytes(b"\xff" * 100)
    with pytest.raises(BundleError):
        MilProgram.load(path)


def test_other_kinds_of_model(tmp_path: Path) -> None:
    import coremltools as ct
    from coremltools.models import datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder

    builder = NeuralNetworkBuilder([("x", datatypes.Array(3))], [("y", datatypes.Array(3))])
    builder.add_activation("relu", "RELU", "x", "y")
    path = tmp_path / "network.mlpackage"
    ct.models.MLModel(builder.spec, skip_model_load=True, weights_dir=str(tmp_path)).save(str(path))
    with pytest.raises(BundleError, match="holds a neuralNetwork; an mlProgram"):
        MilProgram.load(path)


def test_unknown_op_is_named(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    model = bench.build(
        lambda x: mb.non_zero(x=mb.relu(x=x)), [np.zeros((2, 3), np.float32)], opset="iOS17"
    )
    with pytest.raises(UnsupportedOpError, match="does not know the op non_zero"):
        bench.load(model)


def test_nested_blocks_are_named(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    def body(x: Any) -> Any:
        big = mb.greater(x=mb.reduce_sum(x=x, keep_dims=False), y=0.0)
        return mb.cond(pred=big, _true_fn=lambda: mb.relu(x=x), _false_fn=lambda: mb.sigmoid(x=x))

    model = bench.build(body, [np.zeros((2, 3), np.float32)])
    with pytest.raises(UnsupportedOpError, match="nested blocks, as in the op cond"):
        bench.load(model)


def test_unknown_attribute_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def narrower(x: Any, weight: Any, strides: Any, pad_type: str, pad: Any, groups: Any) -> Any:
        return x

    monkeypatch.setattr(package, "OPERATIONS", {**OPERATIONS, "conv": narrower})
    with pytest.raises(UnsupportedOpError, match="op conv but not its attribute dilations"):
        MilProgram.load(saved)


def test_without_coremltools(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edgematte.export.core_ml_tools", None)
    with pytest.raises(EngineError, match=r'pip install "edgematte\[coreml\]"'):
        MilProgram.load(saved)


def test_evaluator_needs_no_torch(saved: Path) -> None:
    import subprocess

    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from edgematte.export.mil import MilProgram\n"
        f"program = MilProgram.load({str(saved)!r})\n"
        "(got,) = program.run({'x': np.ones((1, 4, 9, 9))}).values()\n"
        "assert (got == 36).all() and got.shape == (1, 8, 7, 7)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
