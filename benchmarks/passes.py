"""What the export's rewrites are worth: the plain graph against the rewritten one, side by side.

    python benchmarks/passes.py [--size 512] [--rounds 15] [--threads 2] [--keep FOLDER]

Lightweight, fused cut, in turns (A B A B) in one process: ONNX Runtime, OpenVINO with the f32 hint
and with bf16. `wall` is the median of each run's time; `cpu` the median of the processor time it
took, which other work on the machine disturbs less.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import torch

from edgematte.checkpoint import random_model
from edgematte.export.capture import TorchGraph
from edgematte.export.cuts import lightweight
from edgematte.export.passes import PASSES, Pass, rewrite
from edgematte.export.targets import Options
from edgematte.export.targets.onnx import program_to_onnx
from edgematte.registry import LIGHTWEIGHT

Run = Callable[[], object]


def main(size: int, rounds: int, threads: int, keep: Path | None) -> None:
    model, _ = random_model(LIGHTWEIGHT, {}, 0)
    source = lightweight.graphs(model, lightweight.host("fused", (size, size), size))[0]
    image = np.random.default_rng(0).random((1, 3, size, size), np.float32)
    variants = {"plain": (), **{f"+{p.__name__}": PASSES[: i + 1] for i, p in enumerate(PASSES)}}
    runs: dict[str, dict[str, Run]] = {}
    first: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, passes in variants.items():
            file = (keep or Path(scratch)) / f"{name}.onnx"
            nodes = write(source, passes, file)
            runs[name] = engines(file, image, threads)
            outputs = onnxruntime.InferenceSession(file).run(None, {"image": image})
            first = first or outputs
            apart = max(float(np.abs(a - b).max()) for a, b in zip(outputs, first, strict=True))
            print(f"{name}: {nodes} nodes, differs from plain by {apart:.0e}", flush=True)
    report(measure(runs, rounds))


def write(source: TorchGraph, passes: tuple[Pass, ...], file: Path) -> int:
    example = tuple(torch.zeros(t.shape) for t in source.graph.inputs)
    with torch.no_grad():
        program = torch.export.export(source.module.eval(), example)
    program, _ = rewrite(program, example, passes)
    model = program_to_onnx(program, source.graph, Options("fp32"))
    onnx.save(model, file)
    return len(model.graph.node)


def engines(file: Path, image: np.ndarray, threads: int) -> dict[str, Run]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options)
    found: dict[str, Run] = {"onnxruntime": lambda: session.run(None, {"image": image})}
    core = openvino.Core()
    for hint in ("f32", "bf16"):
        config = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
        request = core.compile_model(core.read_model(file), "CPU", config).create_infer_request()
        found[f"openvino {hint}"] = lambda request=request: request.infer({"image": image})
    return found


def measure(runs: dict[str, dict[str, Run]], rounds: int) -> dict[str, dict[str, list[float]]]:
    times: dict[str, dict[str, list[float]]] = {}
    for turn in range(rounds + 2):
        for name, by_engine in runs.items():
            for engine, run in by_engine.items():
                wall, cpu = time.perf_counter(), time.process_time()
                run()
                if turn >= 2:  # the first two warm up
                    for kind, start, now in (
                        ("wall", wall, time.perf_counter()),
                        ("cpu", cpu, time.process_time()),
                    ):
                        row = times.setdefault(f"{engine} {kind}", {})
                        row.setdefault(name, []).append(1000 * (now - start))
    return times


def report(times: dict[str, dict[str, list[float]]]) -> None:
    for row, by_variant in times.items():
        medians = {name: statistics.median(values) for name, values in by_variant.items()}
        cells = [f"{n} {m:.1f} ms ({medians['plain'] / m:.2f}x)" for n, m in medians.items()]
        print(f"{row}: " + ", ".join(cells))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    main(given.size, given.rounds, given.threads, given.keep)
