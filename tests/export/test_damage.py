"""A check that cannot fail is worth nothing: damaged OpenVINO and Core ML graphs are caught.

(Damaged ONNX graphs are in tests/check.) The bundles are sealed anew after the damage, so that
only the comparison with PyTorch can notice.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from edgematte.cli import main

pytestmark = pytest.mark.export
Export = Callable[..., Path]


def scale_one_weight(file: Path, dtype: type[np.floating]) -> None:
    """Change the largest weight in the first tenth of a file of raw weights by a third."""
    data = np.fromfile(file, dtype)
    head = np.nan_to_num(np.abs(data[: len(data) // 10].astype(np.float64)), posinf=0)
    head[head > 100] = 0  # not a weight: the file's own bookkeeping
    data[int(head.argmax())] *= dtype(1.33)
    data.tofile(file)


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
    dtype: type[np.floating],
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
    scale_one_weight(bundle / weights, dtype)
    reseal(bundle)
    assert main(["check", str(bundle)]) == 1
    assert "OUTSIDE" in capsys.readouterr().out
