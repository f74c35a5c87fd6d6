import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgematte.cli import main
from edgematte.manifest import FILE, Manifest

Capture = pytest.CaptureFixture[str]
Edit = Callable[[Path, Callable[[dict[str, Any]], object]], None]


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


def test_a_terminal_obeys_nothing_that_a_bundle_says(
    tiny_bundle: Path, edit_manifest: Edit, capsys: Capture
) -> None:
    said = {"license": "\x1b[2J\x1b]0;owned\x07MIT", "attribution": "one\ntwo \x9b31m"}
    edit_manifest(tiny_bundle, lambda m: m["weights"].update(card=said))
    assert main(["info", str(tiny_bundle)]) == 0
    out = capsys.readouterr().out
    assert "licence: \\x1b[2J\\x1b]0;owned\\x07MIT" in out and "one\ntwo \\x9b31m" in out
    assert not {"\x1b", "\x07", "\x9b"} & set(out)
    assert main(["info", "\x1b[31mnone"]) == 2
    assert "\\x1b[31mnone" in capsys.readouterr().err


def test_a_ladder_without_a_budget_and_numbers_that_no_export_writes(
    tiny_bundle: Path, edit_manifest: Edit, capsys: Capture
) -> None:
    rung = {"name": "w8a8", "mad": 0.1, "grad": 0.1, "conn": 0.1, "bytes": 9, "ms": 1.0}
    edit_manifest(tiny_bundle, lambda m: m.update(ladder=[rung | {"inside": True}]))
    assert main(["info", str(tiny_bundle)]) == 0
    assert "files verified" in capsys.readouterr().out
    edit_manifest(tiny_bundle, lambda m: m["graphs"][0].update(macs=10**400))
    assert main(["info", str(tiny_bundle)]) == 2
    err = capsys.readouterr().err
    assert "macs should be an integer of at most 1e308" in err and len(err.splitlines()) == 1


def test_a_terminal_obeys_no_name_that_check_and_bench_print(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a table of the check says, and the name of a bundle's folder."""
    from edgematte.check import table
    from edgematte.runtime.bundle import DEFAULT

    bundle = tmp_path / "\x1b[31mnet.edgematte"
    bundle.symlink_to(DEFAULT)
    monkeypatch.setattr(table, "table", lambda accuracy: ["\x1b[2J of a graph's tensor"])
    assert main(["check", str(bundle)]) == 0
    assert "\\x1b[2J of a graph's tensor" in capsys.readouterr().out
    assert main(["bench", str(bundle), "--size", "64x64", "--runs", "1"]) == 0
    out = capsys.readouterr().out
    assert "\\x1b[31mnet.edgematte" in out and "\x1b" not in out
