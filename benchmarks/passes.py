"""What the export's rewrites are worth: the plain graph against the rewritten one, side by side.

    python benchmarks/passes.py [--size 512] [--rounds 15] [--threads 2] [--keep FOLDER] [--profile]

Lightweight, fused cut, each engine with the passes its target gets, one more at a time, in turns
(A B A B) in one process: ONNX Runtime, OpenVINO with the f32 hint and with bf16. Between two runs
the process sleeps, so that the threads of one session, which spin for a while, do not disturb the
next. `wall` is the median of each run's time; `cpu` the median of the processor time it took.
--profile prints instead what each kernel of the rewritten graph takes on ONNX Runtime, by operator
and shape.
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
from kernels import profiled, table

from edgematte.checkpoint import load_model
from edgematte.export.capture import TorchGraph, capture
from edgematte.export.cuts.lightweight import CUT
from edgematte.export.passes import ONNX_CPU, OPENVINO, Pass
from edgematte.export.targets.onnx import to_onnx
from edgematte.nets import find
from edgematte.runtime.nets.lightweight.host import Sizes

Run = Callable[[], object]
REST_S = 0.03
ENGINES = (("onnxruntime", ONNX_CPU), ("openvino f32", OPENVINO), ("openvino bf16", OPENVINO))


def main(size: int, rounds: int, threads: int, keep: Path | None, profile: bool) -> None:
    model, _ = load_model(find("lightweight"))
    source = CUT.graphs(model, CUT.host("fused", (size, size), Sizes(), model))[0]
    image = np.random.default_rng(0).random((1, 3, size, size), np.float32)
    with torch.inference_mode():
        expected = [x.numpy() for x in source.module.eval()(torch.from_numpy(image))]
    with tempfile.TemporaryDirectory() as scratch:
        if profile:
            file = (keep or Path(scratch)) / "rewritten.onnx"
            write(source, ONNX_CPU, file, image, expected)
            found = profiled("onnxruntime", file, source.graph, threads)
            print(table(f"onnxruntime, {threads} threads", found))
            return
        files: dict[tuple[Pass, ...], Path] = {}
        for engine, passes in ENGINES:
            runs = {}
            for count in range(len(passes) + 1):
                chosen = passes[:count]
                if chosen not in files:
                    files[chosen] = (keep or Path(scratch)) / f"{len(files)}.onnx"
                    write(source, chosen, files[chosen], image, expected)
                name = f"+{passes[count - 1].__name__}" if count else "plain"
                runs[name] = open_run(engine, files[chosen], image, threads)
            report(engine, measure(runs, rounds))


def write(
    source: TorchGraph,
    passes: tuple[Pass, ...],
    file: Path,
    image: np.ndarray,
    expected: list[np.ndarray],
) -> None:
    model = to_onnx(capture(source, passes), 18)
    onnx.save(model, file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    pairs = zip(session.run(None, {"image": image}), expected, strict=True)
    apart = max(float(np.abs(a - b).max()) for a, b in pairs)
    names = ", ".join(p.__name__ for p in passes) or "plain"
    print(
        f"{names}: {len(model.graph.node)} nodes, differs from PyTorch by {apart:.0e}", flush=True
    )


def open_run(engine: str, file: Path, image: np.ndarray, threads: int) -> Run:
    if engine == "onnxruntime":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"image": image})
    config = {"INFERENCE_PRECISION_HINT": engine.split()[1], "INFERENCE_NUM_THREADS": threads}
    core = openvino.Core()
    request = core.compile_model(core.read_model(file), "CPU", config).create_infer_request()
    return lambda: request.infer({"image": image})


def measure(runs: dict[str, Run], rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor milliseconds by name."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(rounds + 3):
        for name, run in runs.items():
            time.sleep(REST_S)
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    columns = {n: list(zip(*rows[3:], strict=True)) for n, rows in times.items()}  # three warm up
    return {
        n: (1000 * statistics.median(wall), 1000 * statistics.median(cpu))
        for n, (wall, cpu) in columns.items()
    }


def report(engine: str, found: dict[str, tuple[float, float]]) -> None:
    for place, kind in enumerate(("wall", "cpu")):
        first = found["plain"][place]
        cells = [f"{n} {t[place]:.1f} ms ({first / t[place]:.2f}x)" for n, t in found.items()]
        print(f"{engine} {kind}: " + ", ".join(cells), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    main(given.size, given.rounds, given.threads, given.keep, given.profile)
