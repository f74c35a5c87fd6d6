import json
from pathlib import Path

import pytest

from edgematte.cli import main
from edgematte.manifest import FILE, Manifest

Capture = pytest.CaptureFixture[str]


def test_info_says_what_an_app_must_feed_and_gets(tiny_bundle: Path, capsys: Capture) -> None:
    assert main(["info", str(tiny_bundle)]) == 0
    out, err = capsys.readouterr()
    assert not err
    lines = out.splitlines()
    assert lines[0] == f"{tiny_bundle}: lightweight, onnx, fp32, format 2; files verified"
    assert "weights: written by the tests" in out
    assert "cut split" in out and "size [64, 48]" in out and "patch 32" in out
    assert "graph segment: segment.onnx" in out and "graph refine: refine.onnx" in out
    tensors = [line.split() for line in lines if line.startswith("  ")]
    assert [t[:2] for t in tensors] == [
        ["in", "image"],
        ["out", "trimap"],
        ["in", "image"],
        ["in", "trimap"],
        ["out", "alpha"],
    ]
    assert "float32 NCHW [1, 3, 48, 64] in [0, 1]" in out


def test_json_is_the_manifest(tiny_bundle: Path, capsys: Capture) -> None:
    assert main(["info", str(tiny_bundle), "--json"]) == 0
    printed = capsys.readouterr().out
    assert Manifest.from_json(printed) == Manifest.from_json((tiny_bundle / FILE).read_text())
    assert json.loads(printed)["graphs"][1]["inputs"][1]["shape"] == [1, 3, 32, 32]


def test_without_a_bundle_it_is_the_one_that_ships(capsys: Capture) -> None:
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "default.edgematte: lightweight, onnx, fp32" in out
    assert "alpha against PyTorch, onnxruntime: max" in out and "unknown band" in out


def test_an_edited_file_is_told_before_anything_is_said_of_it(
    tiny_bundle: Path, capsys: Capture
) -> None:
    (tiny_bundle / "refine.onnx").write_bytes(b"")
    assert main(["info", str(tiny_bundle)]) == 2
    out, err = capsys.readouterr()
    assert not out and len(err.splitlines()) == 1 and "sha256 differs" in err
