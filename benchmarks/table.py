"""The README's table: every model x target x precision, exported, checked and timed here.

    python benchmarks/table.py [--write]

Accuracy is against PyTorch on the check's picture, over its unknown band. Speed is the median of
the graph's time, engines taken in turns (A B A B) in one process on this machine, so that only the
ratios mean something; Core ML runs on Apple hardware only. With --write the table in README.md is
replaced.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from edgematte.export import export
from edgematte.export.report import size_of
from edgematte.registry import FAMILIES
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.matter import Matter, load
from edgematte.testcard import testcard

ROUNDS = 15
START, END = "<!-- table -->", "<!-- /table -->"
README = Path(__file__).resolve().parent.parent / "README.md"
HEAD = (
    "| model | target | precision | max | MAD | SAD | MSE | Grad | Conn | size | time | ratio |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
)


def main(write: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bundles = [
            export(model, target=target, precision=precision, output=f"{folder}/{model}{i}")
            for model in FAMILIES
            for i, (target, precision) in enumerate(
                (t, p) for t in ("onnx", "openvino", "coreml") for p in ("fp32", "fp16")
            )
        ]
        times = milliseconds([b for b in bundles if b.manifest.target != "coreml"])
        rows = [row(b, times) for b in bundles]
    table = "\n".join([*HEAD, *rows])
    print(table)
    if write:
        text = README.read_text()
        before, rest = text.split(START)
        after = rest.split(END)[1]
        README.write_text(f"{before}{START}\n{table}\n{END}{after}")


def milliseconds(bundles: list[Bundle]) -> dict[Path, float]:
    picture = testcard(512, 512)
    matters: list[Matter] = [load(b.path) for b in bundles]
    rounds = [[matter(picture).timings["graph.matte"] for matter in matters] for _ in range(ROUNDS)]
    columns = zip(*rounds[2:], strict=True)
    return {b.path: 1000 * statistics.median(c) for b, c in zip(bundles, columns, strict=True)}


def row(bundle: Bundle, times: dict[Path, float]) -> str:
    m = bundle.manifest
    ends = [d for d in m.accuracy.differences if d.equality == "end-to-end" and d.tolerance_max]
    worst = max(ends, key=lambda d: d.max_abs)  # Core ML fp16: the fp16 arithmetic
    bands = [q for q in m.accuracy.quality if q.region == "unknown band"]
    q = next(q for q in bands if q.engine == worst.engine)
    size = size_of(bundle.file(m.graphs[0])) / 1e6
    ours = times.get(bundle.path)
    first = next(iter(times.values()))
    speed = f"{ours:.0f} ms | {first / ours:.2f}x" if ours else "Apple only | -"
    figures = f"{worst.max_abs:.0e} | {q.mad:.0e} | {q.sad:.4f} | {q.mse:.0e} | {q.grad:.4f}"
    names = f"{m.model} | {m.target} | {m.precision}"
    return f"| {names} | {figures} | {q.conn:.4f} | {size:.2f} MB | {speed} |"


if __name__ == "__main__":
    main("--write" in sys.argv)
