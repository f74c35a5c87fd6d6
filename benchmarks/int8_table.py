"""INT8 of nets that are matrix products, beside float: ONNX Runtime and OpenVINO in one run.

    python benchmarks/int8_table.py [BUNDLE ...] [--models MODEL[:WxH][=WEIGHTS] ...]
        [--onnx FILE:PRESET ...] [--keep DIR] [--calibration DIR] [--calibration-limit N]
        [--export-only] [--rounds 9] [--threads 2] [--clock wall|processor] [--profile]

BUNDLES are yours; those of one net, size and weights are compared with each other. The others are
exported here: every model to ONNX and OpenVINO as fp32, int8-weights and int8, minutes each, and
kept in DIR for the next run; --export-only ends there. Models without WEIGHTS have random ones,
marked so: their INT8 quantizes all that can be, whatever the error. `error` is the mean absolute
one of alpha over the unknown band: of int8 the ladder's, on held-out pictures, with the rung that
was taken; of fp32 the check's.

Times are milliseconds in all graphs of a picture, medians with 10th and 90th percentiles: a test
card of 512x512; for regional 1920x1080 and 1400 cells. The rows of a net run one after the other in
every round, with a rest between. Ratios are fp32 of the same engine over the row, and fp32 of
OpenVINO with its shipped hint, which is bf16 where the processor has it, over the row. On a machine
that is shared, --threads 1 --clock processor says more. --profile prints what the kernels of every
row took.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exported import Source
from kernels import profiled, table
from turns import ENGINES, Row, in_turns, opened, tried

from edgematte.export.report import size_of
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.testcard import testcard

MODELS = ("vitmatte-s", "regional:1920x1152", "hdmatt", "diffmatte-vits")
TARGETS = ("onnx", "openvino")
PRECISIONS = ("fp32", "int8-weights", "int8")
PICTURE = (512, 512)
FRAMES: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "regional": ((1920, 1080), {"max_regions": 1400}),
    "diffmatte": (PICTURE, {"steps": 1}),
}
"""Net -> what a picture of it is, and options of `load`."""
HEAD = (
    "| net | engine | precision | error | rung | size | graphs, ms | over fp32 | over bf16 |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--onnx", nargs="+", default=[], metavar="FILE:PRESET")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--calibration-limit", type=int)
    parser.add_argument("--export-only", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    if arguments.clock == "processor":
        time.perf_counter = time.process_time  # the pipeline's clock looks it up there too
    named = arguments.models
    if named is None:
        named = [] if arguments.bundles or arguments.onnx else MODELS
    sources = [*map(Source.of, named), *map(Source.of_file, arguments.onnx)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        groups = grouped([open_bundle(path) for path in arguments.bundles])
        for source in sources:
            groups[source.label] = exports(source, folder, arguments)
        if arguments.export_only:
            return
        print(HEAD)
        for label, bundles in groups.items():
            report(label, bundles, arguments)


def exports(source: Source, folder: Path, arguments: argparse.Namespace) -> list[Bundle]:
    """The bundles of one net, in every target and precision that it can be had in."""
    made = []
    for target in TARGETS:
        for precision in PRECISIONS:
            one = tried(
                f"{source.label}, {target}, {precision}",
                source.bundle,
                target,
                precision,
                folder,
                calibration=arguments.calibration,
                limit=arguments.calibration_limit,
            )
            made += [one] if one else []
    return made


def grouped(bundles: Sequence[Bundle]) -> dict[str, list[Bundle]]:
    """Bundles by what they are of: net, graph size, weights."""
    groups: dict[str, list[Bundle]] = {}
    for bundle in bundles:
        m = bundle.manifest
        size = "x".join(map(str, m.host.size))
        name = Path(m.weights.source).stem if m.model == "foreign" else m.model
        random = ", random weights" if m.weights.source.startswith("random") else ""
        label = f"{name} {size}{random}, weights {m.weights.sha256[:8]}"
        groups.setdefault(label, []).append(bundle)
    return groups


def report(label: str, bundles: Sequence[Bundle], arguments: argparse.Namespace) -> None:
    """Time the bundles of one net in turns and print their rows."""
    rows: list[tuple[Row, Bundle]] = []
    for bundle in bundles:
        m = bundle.manifest
        net = m.model.partition("-")[0]
        size, options = FRAMES.get(net, (PICTURE, {}))
        picture = testcard(*size)
        for engine, (name, _) in ENGINES.items():
            if (name == "openvino") != (m.target == "openvino"):
                continue
            what = f"{bundle.path.name} on {engine}"
            call = tried(what, opened, bundle.path, engine, picture, arguments.threads, options)
            if call:
                rows.append((Row(label, engine, call), bundle))
    in_turns([row for row, _ in rows], arguments.rounds)
    rows.sort(key=lambda pair: list(ENGINES).index(pair[0].engine))
    floats = {row.engine: row for row, b in rows if b.manifest.precision == "fp32"}
    for row, bundle in rows:
        print(line(row, bundle, floats), flush=True)
        if arguments.profile:
            name, precise = ENGINES[row.engine]
            for graph in bundle.manifest.graphs:
                file = bundle.file(graph)
                found = profiled(name, file, graph, arguments.threads, precise=precise)
                print(table(f"{row.engine}, {bundle.manifest.precision}, {graph.name}", found))


def line(row: Row, bundle: Bundle, floats: dict[str, Row]) -> str:
    m = bundle.manifest
    taken = next((r for r in m.ladder if r.chosen), None)
    if taken is not None:
        error, rung = f"{taken.mad:.4f}", taken.name
    else:
        bands = [q.mad for q in m.accuracy.quality if q.region == "unknown band"]
        worst = (
            max if row.engine == "openvino" else min
        )  # with the shipped hint, or held to float32
        error, rung = (f"{worst(bands):.0e}" if bands else "-"), "-"
    size = sum(size_of(bundle.file(g)) for g in m.graphs) / 1e6
    ratios = [
        f"{floats[key].median() / row.median():.2f}x" if key in floats else "-"
        for key in (row.engine, "openvino")
    ]
    cells = [row.net, row.engine, m.precision, error, rung, f"{size:.1f} MB", row.spread()]
    return f"| {' | '.join([*cells, *ratios])} |"


if __name__ == "__main__":
    main()
