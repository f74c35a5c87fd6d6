"""The tables of nets x targets x precisions, exported, checked and timed here.

    python benchmarks/table.py [--models MODEL[:WxH][=WEIGHTS] ...] [--targets T ...]
        [--precisions P ...] [--peers FILE.onnx:PRESET ...] [--calibration DIR]
        [--calibration-limit N] [--keep DIR] [--export-only] [--rounds 12] [--threads 2] [--write]

A small variant of every net, fused or of 512x512; models without WEIGHTS have those that ship, or
random ones, marked so. --keep keeps the bundles, minutes each, for another run; --export-only ends
there. Accuracy is against PyTorch (of a peer: its file) on the check's picture, over its unknown
band; `budget` is the INT8 ladder's own figure, on held-out calibration pictures, with the rung that
was taken; with random weights the first rung is, whatever its error.

Times are medians of those in all graphs for a test card of 512x512, with 10th and 90th percentiles.
The rows of a net are taken in turns (A B A B) in one process, with PyTorch eager, the first, and
rests between, so that the ratios to it mean something and the milliseconds little; peers run among
those of the first net. OpenVINO has its shipped hint, bf16 where the processor has it. Core ML runs
on Apple hardware only. With --write the rows of what was asked for are replaced, and the lines
below them: in README.md those of the default net and of peers, in docs/exports.md all others.
"""

import argparse
import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from exported import Source
from turns import Call, Row, Seconds, in_graphs, in_turns, tried

from edgematte.export.frames import sized_graphs
from edgematte.export.report import size_of, zipped_size
from edgematte.export.torch_graph import torch_calls
from edgematte.export.weights_from import WeightsFrom
from edgematte.net import load_part
from edgematte.nets import find
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines import EngineOptions, engine_for
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.load import matter_from
from edgematte.runtime.pipeline import pipeline_for
from edgematte.testcard import testcard, testcard_trimap

ROOT = Path(__file__).resolve().parent.parent
README, OTHERS = ROOT / "README.md", ROOT / "docs" / "exports.md"
TINY = ROOT / "samples" / "regional-tiny.safetensors"
DEFAULT = "lightweight"
MODELS = (
    DEFAULT,
    f"regional-tiny={TINY}",
    "hdmatt-tiny",
    "vitmatte-tiny",
    "diffmatte-lightweight",
)
LITERT = ("litert",) if importlib.util.find_spec("litert_torch") else ()  # not in `make test`
TARGETS = ("onnx", "openvino", "coreml", *LITERT)
PEERS = ("onnx", "openvino")  # targets that a peer's file is imported to
PRECISIONS = ("fp32", "fp16", "int8-weights", "int8")
SIDE = 512
START, END = "<!-- table -->", "<!-- /table -->"
HEAD = (
    "| model | target | precision | max | MAD | SAD | MSE | Grad | Conn | budget | size "
    "| zipped | ms | to eager |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
)
CAPTION = """
Printed by `python benchmarks/table.py`: a small variant of every net, fused or of 512x512; with
random weights INT8 quantizes all that it can, whatever the error. Differences from PyTorch over the
check picture's unknown band; budget: the error on held-out pictures and the rung that the ladder
took; time in all graphs of a picture of 512x512 on {threads} threads, medians with 10th and 90th
percentiles, a net's rows and PyTorch eager in turns in one process, so that the ratios mean
something and the milliseconds little. OpenVINO has its shipped hint, bf16 where the processor has
it.
"""


@dataclass(frozen=True)
class Group:
    """The bundles of one net, and its peers'."""

    source: Source
    bundles: Sequence[tuple[Source, Bundle]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    parser.add_argument("--peers", nargs="+", default=[], metavar="FILE:PRESET")
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--calibration-limit", type=int)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--export-only", action="store_true")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    sources = list(map(Source.of, arguments.models))
    peers = list(map(Source.of_file, arguments.peers))
    targets = arguments.targets
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        groups = [Group(source, exports(source, targets, folder, arguments)) for source in sources]
        able = [target for target in targets if target in PEERS]
        beside = [pair for peer in peers for pair in exports(peer, able, folder, arguments)]
        if arguments.export_only:
            return
        groups[0] = Group(sources[0], [*groups[0].bundles, *beside])
        lines = [line for group in groups for line in rows_of(group, arguments)]
    print(*HEAD, *lines, sep="\n")
    if arguments.write:
        caption = CAPTION.format(threads=arguments.threads)
        asked = {(name_of(source.label), target) for source in sources for target in targets}
        asked |= {(name_of(peer.label), target) for peer in peers for target in able}
        for page in (README, OTHERS):
            if own := [line for line in lines if page_of(line) == page]:
                page.write_text(rewritten(page.read_text(), own, asked, caption))


def cells(row: str) -> list[str]:
    """What stands in a row of a table."""
    return [cell.strip() for cell in row.split("|")[1:-1]]


def name_of(label: str) -> str:
    """The net that a label names: `hdmatt-tiny` of `hdmatt-tiny, random weights`."""
    return label.partition(",")[0].removesuffix(" (peer)")


def net_of(row: str) -> str:
    """The net of a row of the table."""
    return name_of(cells(row)[0])


def page_of(row: str) -> Path:
    """Where a row stands: in the README the default net, and what stands beside it."""
    return README if "(peer)" in row or net_of(row) == DEFAULT else OTHERS


def rewritten(text: str, lines: Sequence[str], asked: set[tuple[str, str]], caption: str) -> str:
    """A page with these rows and this caption; rows that were not asked for stay.

    A net's new rows stand where its old ones did, and nets that had none after all others.
    """
    before, rest = text.split(START)
    old, after = rest.split(END)
    there = [line for line in old.splitlines() if line.startswith("| ") and line != HEAD[0]]
    asked = asked | {(name, "PyTorch eager") for name, _ in asked}
    kept = [row for row in there if (net_of(row), cells(row)[1]) not in asked]
    order = list(dict.fromkeys(map(net_of, [*there, *lines])))
    rows = sorted([*lines, *kept], key=lambda row: order.index(net_of(row)))
    table = "\n".join([*HEAD, *rows])
    return f"{before}{START}\n{table}\n{caption}{END}{after}"


def exports(
    source: Source, targets: Sequence[str], folder: Path, arguments: argparse.Namespace
) -> list[tuple[Source, Bundle]]:
    """A net's bundles, in every target and precision that it can be had in."""
    made = []
    for target in targets:
        for precision in arguments.precisions:
            bundle = tried(
                f"{source.label}, {target}, {precision}",
                source.bundle,
                target,
                precision,
                folder,
                calibration=arguments.calibration,
                limit=arguments.calibration_limit,
            )
            made += [(source, bundle)] if bundle else []
    return made


def rows_of(group: Group, arguments: argparse.Namespace) -> list[str]:
    """Time a net's rows in turns; its lines of the table."""
    eager = Row(group.source.label, "eager", eager_call(group, arguments.threads))
    timed: dict[Path, Row] = {}
    for source, bundle in group.bundles:
        if bundle.manifest.target != "coreml":
            call = bundle_call(bundle, arguments.threads)
            timed[bundle.path] = Row(source.label, bundle.manifest.target, call)
    in_turns([eager, *timed.values()], arguments.rounds)
    blank = " | ".join("-" * 9)
    first = f"| {group.source.label} | PyTorch eager | fp32 | {blank} | {eager.spread()} | 1.00x |"
    return [first, *(line(s, b, timed.get(b.path), eager) for s, b in group.bundles)]


def eager_call(group: Group, threads: int) -> Call:
    """The net in PyTorch, as the host steps call it."""
    torch.set_num_threads(threads)
    source, (_, bundle) = group.source, group.bundles[0]
    variant, host = find(source.model), bundle.manifest.host
    network, _ = WeightsFrom(source.weights, source.random).network(variant)
    graphs = sized_graphs(load_part(variant.net.cut), network, host)
    whole = pipeline_for(variant, host, torch_calls(graphs))
    picture = testcard(SIDE, SIDE)
    trimap = testcard_trimap(SIDE, SIDE) if variant.net.needs_trimap else None

    def call() -> Seconds:
        clock = Clock()
        whole(picture, trimap, clock)
        return {"graphs": in_graphs(clock.seconds)}

    return call


def bundle_call(bundle: Bundle, threads: int) -> Call:
    """A bundle on its target's own engine, as it is by default but for the threads."""
    manifest = bundle.manifest
    matter = matter_from(bundle, engine_for(manifest.target), EngineOptions(threads=threads))
    picture = testcard(SIDE, SIDE)
    trimap = testcard_trimap(SIDE, SIDE) if matter.variant.net.needs_trimap else None

    def call() -> Seconds:
        return {"graphs": in_graphs(dict(matter(picture, trimap).timings))}

    return call


def line(source: Source, bundle: Bundle, row: Row | None, eager: Row) -> str:
    m = bundle.manifest
    ends = [d for d in m.accuracy.differences if d.equality == "end-to-end" and d.tolerance_max]
    worst = max(ends, key=lambda d: d.max_abs)  # Core ML fp16: the fp16 arithmetic
    bands = [q for q in m.accuracy.quality if q.region == "unknown band"]
    q = next(q for q in bands if q.engine == worst.engine)
    taken = next((r for r in m.ladder if r.chosen), None)
    budget = f"{taken.mad:.4f} ({taken.name})" if taken else "-"
    files = [bundle.file(g) for g in m.graphs]
    sizes = [sum(map(measured, files)) / 1e6 for measured in (size_of, zipped_size)]
    size = f"{sizes[0]:.2f} MB | {sizes[1]:.2f} MB"
    speed = f"{row.spread()} | {eager.median() / row.median():.2f}x" if row else "Apple only | -"
    figures = f"{worst.max_abs:.0e} | {q.mad:.0e} | {q.sad:.4f} | {q.mse:.0e} | {q.grad:.4f}"
    peer = " (peer)" if source.file else ""
    names = f"{source.label}{peer} | {m.target} | {m.precision}"
    return f"| {names} | {figures} | {q.conn:.4f} | {budget} | {size} | {speed} |"


if __name__ == "__main__":
    main()
