"""The README's table: every model x target x precision, exported, checked and timed here.

    python benchmarks/table.py [--calibration DIR] [--write]

Accuracy is against PyTorch on the check's picture, over its unknown band; `budget` is the INT8
ladder's own figure, on held-out calibration pictures, with the rung that was taken. Speed is the
median of the graph's time, engines taken in turns (A B A B) in one process on this machine, so that
only the ratios mean something; Core ML runs on Apple hardware only. With --write the table in
README.md is replaced.
"""

import argparse
import importlib.util
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

from edgematte.errors import ToleranceError
from edgematte.export import export
from edgematte.export.report import size_of, zipped_size
from edgematte.nets import variants
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.load import load
from edgematte.runtime.matter import Matter
from edgematte.targets import FLOATS
from edgematte.testcard import testcard

ROUNDS = 15
REST_S = 0.03
LITERT = ("litert",) if importlib.util.find_spec("litert_torch") else ()  # not in `make test`
TARGETS = ("onnx", "openvino", "coreml", *LITERT)
PRECISIONS = ("fp32", "fp16", "int8-weights", "int8")
START, END = "<!-- table -->", "<!-- /table -->"
README = Path(__file__).resolve().parent.parent / "README.md"
HEAD = (
    "| model | target | precision | max | MAD | SAD | MSE | Grad | Conn | budget | size "
    "| zipped | time | ratio |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
)


def main(calibration: Path | None, write: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bundles, refused = [], []
        for model, variant in variants().items():
            for target, precision in itertools.product(TARGETS, PRECISIONS):
                if not variant.weights:
                    continue
                output = f"{folder}/{model}-{target}-{precision}"
                try:
                    bundle = export(
                        model,
                        target=target,
                        precision=precision,
                        calibration=None if precision in FLOATS else calibration,
                        output=output,
                    )
                except ToleranceError as error:
                    refused.append(f"{model} | {target} | {precision}: {error}")
                    continue
                bundles.append(bundle)
                print(f"{bundle.path.name} done", file=sys.stderr, flush=True)
        times = milliseconds([b for b in bundles if b.manifest.target != "coreml"])
        rows = [row(b, times) for b in bundles]
    table = "\n".join([*HEAD, *rows])
    print(table, *refused, sep="\n")
    if write:
        text = README.read_text()
        before, rest = text.split(START)
        after = rest.split(END)[1]
        README.write_text(f"{before}{START}\n{table}\n{END}{after}")


def milliseconds(bundles: list[Bundle]) -> dict[Path, float]:
    picture = testcard(512, 512)
    matters: list[Matter] = [load(b.path) for b in bundles]
    rounds: list[list[float]] = []
    for _ in range(ROUNDS):
        rounds.append([])
        for matter in matters:
            time.sleep(REST_S)  # threads of the last engine may still spin
            rounds[-1].append(matter(picture).timings["graph.matte"])
    columns = zip(*rounds[2:], strict=True)
    return {b.path: 1000 * statistics.median(c) for b, c in zip(bundles, columns, strict=True)}


def row(bundle: Bundle, times: dict[Path, float]) -> str:
    m = bundle.manifest
    ends = [d for d in m.accuracy.differences if d.equality == "end-to-end" and d.tolerance_max]
    worst = max(ends, key=lambda d: d.max_abs)  # Core ML fp16: the fp16 arithmetic
    bands = [q for q in m.accuracy.quality if q.region == "unknown band"]
    q = next(q for q in bands if q.engine == worst.engine)
    taken = next((r for r in m.ladder if r.chosen), None)
    budget = f"{taken.mad:.4f} ({taken.name})" if taken else "-"
    file = bundle.file(m.graphs[0])
    size = f"{size_of(file) / 1e6:.2f} MB | {zipped_size(file) / 1e6:.2f} MB"
    ours = times.get(bundle.path)
    first = next(iter(times.values()))
    speed = f"{ours:.0f} ms | {first / ours:.2f}x" if ours else "Apple only | -"
    figures = f"{worst.max_abs:.0e} | {q.mad:.0e} | {q.sad:.4f} | {q.mse:.0e} | {q.grad:.4f}"
    names = f"{m.model} | {m.target} | {m.precision}"
    return f"| {names} | {figures} | {q.conn:.4f} | {budget} | {size} | {speed} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    main(given.calibration, given.write)
