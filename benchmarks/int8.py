"""INT8 of the lightweight net beside its float graphs: time, size, error, and what runs in INT8.

    python benchmarks/int8.py [--calibration DIR] [--rounds 12] [--threads 2]

Fused cut at 512x512, in turns (A B A B) within each engine, with a rest between runs: the plain
export, the rewritten one (the float graph that ships), weights in int8, and W8A8 of every node that
can be quantized (the ladder's first rung). The error is the mean absolute one of alpha over the
unknown band (P(unknown) over 0.1) of held-out pictures, against PyTorch.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch

from edgematte.calibration.pictures import calibration_set
from edgematte.calibration.quantizers import quantizable
from edgematte.calibration.scheme import Scheme
from edgematte.checkpoint import load_model
from edgematte.export.capture import capture
from edgematte.export.cuts.lightweight import CUT
from edgematte.export.executed import executed, executed_line
from edgematte.export.report import size_of
from edgematte.export.targets import passes_of, writer_of
from edgematte.nets import find
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.nets.lightweight.host import Sizes
from edgematte.targets import find_target

SIZE = 512
REST_S = 0.03
WEIGHTS = Scheme(activations=None)


def main(calibration: Path | None, rounds: int, threads: int) -> None:
    pictures = calibration_set(calibration, limit=16)
    feeds = [{"image": _input(p)} for p in pictures.calibrating]
    judges = [_input(p) for p in pictures.held_out]
    model, _ = load_model(find("lightweight"))
    host = CUT.host("fused", (SIZE, SIZE), Sizes(), model)
    source = CUT.graphs(model, host)[0]
    with torch.inference_mode():
        known = [[x.numpy() for x in source.module.eval()(torch.from_numpy(j))] for j in judges]
    for target in ("onnx", "openvino"):
        chosen_target = find_target(target)
        passes = passes_of(chosen_target, chosen_target.options("fp32"))
        rounded = passes_of(chosen_target, chosen_target.options("int8"))
        with tempfile.TemporaryDirectory() as folder:
            files: dict[str, Path] = {}
            writer = writer_of(chosen_target)
            for name, chosen, scheme in (
                ("plain fp32", (), None),
                ("fp32", passes, None),
                ("int8-weights", passes, WEIGHTS),
                ("w8a8", rounded, Scheme()),
            ):
                captured = capture(source, chosen)
                precision = "int8-weights" if scheme == WEIGHTS else "fp32"
                options = chosen_target.options(precision)
                built = writer.build(captured, options)
                if scheme is not None:
                    given = feeds if scheme.activations else None
                    built = quantizable(chosen_target, built, given).quantize(scheme)
                graph = replace(captured.graph, name=name.replace(" ", "-"))
                saved = writer.save(built, graph, Path(folder), "", options)
                files[name] = Path(folder) / saved.file
            for hint in ("f32", "bf16") if target == "openvino" else ("",):
                report(target, hint, files, judges, known, rounds, threads)
            ran = executed_line(executed(target, files["w8a8"], source.graph))
            print(f"{target}, w8a8 nodes: {ran}\n")


def _input(picture: np.ndarray) -> np.ndarray:
    return to_input(resize_picture(picture, (SIZE, SIZE)))


def report(
    target: str,
    hint: str,
    files: dict[str, Path],
    judges: list[np.ndarray],
    known: list[list[np.ndarray]],
    rounds: int,
    threads: int,
) -> None:
    runs = {name: open_run(target, hint, file, threads) for name, file in files.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 3):
        for name, run in runs.items():
            time.sleep(REST_S)
            start = time.perf_counter()
            run(judges[0])
            times[name].append(1000 * (time.perf_counter() - start))
    medians = {name: statistics.median(values[3:]) for name, values in times.items()}
    print(f"{target} {hint}".strip())
    for name, run in runs.items():
        errors = [
            float(np.abs(run(j) - alpha)[0, 0][trimap[0, 2] > 0.1].mean())
            for j, (alpha, trimap) in zip(judges, known, strict=True)
        ]
        ratio = medians["fp32"] / medians[name]
        size = size_of(files[name]) / 1e6
        print(
            f"  {name}: {medians[name]:.1f} ms ({ratio:.2f}x of fp32), {size:.2f} MB, "
            f"error {statistics.fmean(errors):.4f}"
        )


def open_run(
    target: str, hint: str, file: Path, threads: int
) -> Callable[[np.ndarray], np.ndarray]:
    if target == "onnx":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if "weights" in file.name:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return lambda image: session.run(["alpha"], {"image": image})[0]
    config = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    core = openvino.Core()
    request = core.compile_model(core.read_model(file), "CPU", config).create_infer_request()
    return lambda image: request.infer({"image": image})["alpha"].copy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    main(given.calibration, given.rounds, given.threads)
