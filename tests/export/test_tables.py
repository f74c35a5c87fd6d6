"""benchmarks/int8_table.py and table.py: rows of bundles that were exported before."""

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgematte.runtime.bundle import open_bundle

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
Printed = Callable[..., list[list[str]]]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Runs a benchmark with arguments; gives the cells of the rows of its table."""

    def run(name: str, *arguments: str) -> list[list[str]]:
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        module = importlib.import_module(name)
        monkeypatch.setattr("sys.argv", [name, *arguments, "--rounds", "2", "--threads", "1"])
        module.main()
        lines = capsys.readouterr().out.splitlines()
        return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]

    return run


def test_int8_stands_beside_float_with_its_rung_and_size(
    exported: Callable[..., Path], printed: Printed
) -> None:
    paths = [
        exported("onnx", precision=precision, graphs="fused")
        for precision in ("fp32", "int8-weights")
    ]
    rows = printed("int8_table", *map(str, paths))
    assert [row[1:3] for row in rows] == [["onnxruntime", "fp32"], ["onnxruntime", "int8-weights"]]
    assert rows[0][7] == "1.00x" and rows[1][7].endswith("x")  # its own fp32 over itself
    rung = next(r for r in open_bundle(paths[1]).manifest.ladder if r.chosen)
    assert rows[1][3:5] == [f"{rung.mad:.4f}", rung.name]
    float_mb, weights_mb = (float(row[5].split()[0]) for row in rows)
    assert weights_mb < 0.5 * float_mb  # a quarter, and scales


def test_the_table_takes_kept_bundles_and_stands_beside_pytorch(
    exported: Callable[..., Path], printed: Printed, tmp_path: Path
) -> None:
    source = exported("onnx", precision="fp32", graphs="fused")
    shutil.copytree(source, tmp_path / "lightweight-onnx-fp32.edgematte")
    chosen = ["--models", "lightweight", "--targets", "onnx", "--precisions", "fp32"]
    eager, ours = printed("table", *chosen, "--keep", str(tmp_path))
    assert eager[:3] == ["lightweight", "PyTorch eager", "fp32"] and eager[-1] == "1.00x"
    assert ours[:3] == ["lightweight", "onnx", "fp32"]
    assert len(eager) == len(ours) == 14
    assert float(ours[3]) <= 1e-4  # the tolerance of fp32


def test_a_table_keeps_the_rows_that_were_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another target's and another net's stay, and a net's rows stand together."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    table = importlib.import_module("table")

    def rows(*texts: str) -> list[str]:
        return [f"| {' | '.join(text.split('/'))} |" for text in texts]

    old = rows("a/onnx/1", "u (peer)/onnx/1", "b, random weights/onnx/1", "a/coreml/1")
    page = "\n".join(["before", table.START, *table.HEAD, *old, "", "said", table.END, "after"])
    new = rows("b/PyTorch eager/2", "b/onnx/2", "a/onnx/2")
    asked = {("b", "onnx"), ("a", "onnx")}
    lines = table.rewritten(page, new, asked, "\nsaid again\n").splitlines()
    assert [line for line in lines if line.startswith("| ")][1:] == rows(
        "a/onnx/2", "a/coreml/1", "u (peer)/onnx/1", "b/PyTorch eager/2", "b/onnx/2"
    )
    assert (lines[0], lines[-1]) == ("before", "after") and "said again" in lines
    assert [
        table.page_of(row).name
        for row in rows("lightweight/x", "u (peer)/x", "hdmatt-tiny, random weights/x")
    ] == ["README.md", "README.md", "exports.md"]
