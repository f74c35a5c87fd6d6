"""A check that cannot fail is worth nothing: damaged OpenVINO and Core ML graphs are caught.

(Damaged ONNX graphs are in tests/check.) The bundles are sealed anew after the damage, so that
only the comparison with PyTorch can notice.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from edgematte.checkpoint import load_model
from edgematte.cli import main
from edgematte.nets import find

pytestmark = pytest.mark.export
Export = Callable[..., Path]


def change_one_weight(file: Path, dtype: type[np.floating[Any]]) -> None:
    """Add 1 to one weight of SN's head, which no pass folds: its bytes are in the file."""
    model, _ = load_model(find("lightweight"))
    kernel = model.get_parameter("sn.head.weight").detach().numpy().astype(dtype)
    data = file.read_bytes()
    at = data.index(kernel.tobytes())
    changed = kernel.copy()
    changed[0, 0, 1, 1] += 1
    file.write_bytes(data[:at] + changed.tobytes() + data[at + kernel.nbytes :])


@pytest.mark.parametrize(
    ("target", "precision", "weights", "dtype"),
    [
        ("openvino", "fp32", "matte.bin", np.float32),
        ("coreml", "fp16", "matte.mlpackage/Data/com.apple.CoreML/weights/weight.bin", np.float16),
    ],
)
def test_one_changed_weight_is_caught(
    target: str,
    precision: str,
    weights: str,
    dtype: type[np.floating[Any]],
    exported: Export,
    tmp_path: Path,
    reseal: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip({"coreml": "coremltools"}.get(target, target))
    bundle = Path(
        shutil.copytree(exported(target, precision=precision, graphs="fused"), tmp_path / "b")
    )
    assert main(["check", str(bundle)]) == 0
    change_one_weight(bundle / weights, dtype)
    reseal(bundle)
    assert main(["check", str(bundle)]) == 1
    assert "OUTSIDE" in capsys.readouterr().out
