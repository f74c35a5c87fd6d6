"""A whole frame of the regional net, host included, as ratios: engines, passes, CRA, density.

    python benchmarks/portrait.py [--frame hd|4k] [--rounds 7] [--threads 2] [--keep FOLDER]
    python benchmarks/portrait.py --threads 1 --clock processor    # on a machine that is shared
    python benchmarks/portrait.py --threads 1 --engines ort --profile    # kernels of the graphs

Random weights; the uncertain cells are given (1400 in 1920x1080, 3000 in 3840x2160, a wavering
outline), the coarse net runs all the same. Variants are taken in turns (A B A B) in one process
and rest in between; medians. `plain` is the export without passes and with the attention masks as
the authors have them, whose softmax leaves denormal numbers; `dense` refines every cell of the
frame; `matmul` is products of large matrices of as many multiply-adds as the frame, by OpenVINO in
the same precision. `stream` is what a frame costs within a clip, where nothing is reused; what a
clip gains from file to file, `portrait_clip.py` says. `host` is the share of what is no graph.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from kernels import profiled, table
from openvino import opset13 as ops
from portrait_graphs import sources, written

from edgematte.export.cuts.regional import CUT
from edgematte.export.torch_graph import torch_calls
from edgematte.models.regional.network import Regional
from edgematte.runtime.clips.stream import stream
from edgematte.runtime.engines import EngineOptions, open_engine
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import OwnTrimap
from edgematte.runtime.nets.regional.host import RegionsHost, Sizes
from edgematte.runtime.nets.regional.pipeline import pipeline
from edgematte.runtime.pipeline import Sourced
from edgematte.testcard import testcard

FRAMES = {"hd": ((1920, 1080), (1920, 1152), 1400), "4k": ((3840, 2160), (3840, 2176), 3000)}
ENGINES = {
    "ort": ("onnx", "onnxruntime", True),
    "ov-f32": ("openvino", "openvino", True),
    "ov-bf16": ("openvino", "openvino", False),
}
REST_S = 0.05
CLIP = 6
Run = Callable[[], dict[str, float]]


def outline(host: RegionsHost, count: int) -> np.ndarray:
    """P(classes) of the cells: so many unknown ones, along a wavering circle."""
    rows, columns = host.size[1] // 8, host.size[0] // 8
    y, x = np.mgrid[:rows, :columns].astype(np.float64)
    angle = np.arctan2(y - rows / 2, x - columns / 2)
    radius = np.hypot(y - rows / 2, x - columns / 2) + 4 * np.sin(9 * angle)
    chosen = np.argsort(np.abs(radius - rows * 0.35), axis=None, kind="stable")[:count]
    planes = np.stack([radius > rows * 0.35, np.zeros_like(radius), radius <= rows * 0.35])
    planes = planes.astype(np.float32).reshape(3, -1)
    planes[:, chosen] = np.array([[0.2], [0.6], [0.2]], np.float32)
    return planes.reshape(1, 3, rows, columns)


def frame_run(calls: Mapping[str, Any], host: RegionsHost, planes: np.ndarray, picture: Any) -> Run:
    """A whole frame with the cells given; seconds by stage."""

    def coarse(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        answers: dict[str, np.ndarray] = calls["coarse"](**inputs)
        return answers | {"cell_trimap": planes}

    whole = pipeline(host, {**calls, "coarse": coarse})

    def run() -> dict[str, float]:
        clock, start = Clock(), time.perf_counter()
        whole(picture, None, clock)
        return {**clock.seconds, "frame": time.perf_counter() - start}

    def clip() -> dict[str, float]:
        start = time.perf_counter()
        for _ in stream(Sourced("regional", whole, OwnTrimap()), [picture] * CLIP, reuse=False):
            pass
        return {"frame": (time.perf_counter() - start) / CLIP}

    run.clip = clip  # type: ignore[attr-defined]
    return run


def matmul_run(engine: str, macs: float, threads: int) -> Run:
    """As many products of (2048, 1024) and (1024, 1024) as make so many multiply-adds."""
    count = macs / (2048 * 1024**2)
    x = np.random.default_rng(0).random((2048, 1024), np.float32)
    given = ops.parameter(x.shape, np.float32)
    weight = np.random.default_rng(1).random((1024, 1024), np.float32)
    model = openvino.Model([ops.matmul(given, ops.constant(weight), False, True)], [given])
    config = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if engine == "ov-bf16" else "f32",
    }
    request = openvino.Core().compile_model(model, "CPU", config).create_infer_request()

    def run() -> dict[str, float]:
        start, whole = time.perf_counter(), round(count)
        for _ in range(whole):
            request.infer([x], share_inputs=True, share_outputs=True)
        return {"frame": (time.perf_counter() - start) * count / whole}

    return run


def main(
    frame: str,
    rounds: int,
    threads: int,
    engines: list[str],
    dense: bool,
    keep: Path | None,
    profile: bool,
) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    size, graph, count = FRAMES[frame]
    picture = testcard(*size)
    nets = {"": Regional().eval(), "no CRA": Regional(cra=False).eval()}
    hosts = {name: CUT.host("regions", graph, Sizes(), net) for name, net in nets.items()}
    planes = outline(hosts[""], count)
    runs: dict[str, Run] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for engine in engines:
            for variant in ("",) if profile else ("", "no CRA", "plain"):
                net = "no CRA" if variant == "no CRA" else ""
                folder = (keep or Path(scratch)) / f"{frame}-{ENGINES[engine][0]}-{variant}"
                host, plain = hosts[net], variant == "plain"
                graphs = written(nets[net], host, ENGINES[engine][0], folder, plain=plain)
                options = EngineOptions(threads=threads, precise=ENGINES[engine][2])
                if profile:
                    for g in graphs:
                        file, precise = folder / g.file, ENGINES[engine][2]
                        found = profiled(ENGINES[engine][1], file, g, threads, precise=precise)
                        print(table(f"{engine} {g.name}", found), flush=True)
                    continue
                calls = {
                    g.name: RunnableGraph(
                        g, open_engine(ENGINES[engine][1], folder / g.file, g, options)
                    )
                    for g in graphs
                }
                name = f"{engine} {variant}".strip()
                runs[name] = frame_run(calls, host, planes, picture)
                if not variant:
                    parts = -(-count // 512)
                    macs = {g.name: g.macs for g in graphs}
                    total = macs["coarse"] + parts * (macs["encode"] + macs["refine"])
                    runs[f"{engine} matmul"] = matmul_run(engine, total, threads)
                    runs[f"{engine} stream"] = runs[name].clip  # type: ignore[attr-defined]
                    if dense:
                        every = np.zeros_like(planes)
                        every[:, 1] = 1
                        runs[f"{engine} dense"] = frame_run(calls, host, every, picture)
                print(f"{name} ready", flush=True)
        if profile:
            return
        eager = torch_calls(sources(nets[""], hosts[""], plain=True))
        runs["torch eager"] = frame_run(eager, hosts[""], planes, picture)
        report(measured(runs, rounds), engines)


def measured(runs: Mapping[str, Run], rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of every stage."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            time.sleep(REST_S)  # threads of the last engine may still spin
            found[name].append(run())
    return {
        name: {k: 1000 * statistics.median(r[k] for r in rows[1:]) for k in rows[0]}
        for name, rows in found.items()
    }


def report(found: dict[str, dict[str, float]], engines: list[str]) -> None:
    for name, stages in found.items():
        parts = ", ".join(f"{k} {v:.0f}" for k, v in stages.items() if k != "frame")
        print(f"{name:<16}{stages['frame']:8.1f} ms   {parts}")
    for engine in engines:
        whole, stages = found[engine]["frame"], found[engine]
        host = sum(v for k, v in stages.items() if k.startswith("host."))
        ratios = {other: found[f"{engine} {other}"]["frame"] for other in ("matmul", "no CRA")}
        print(
            f"{engine}: {whole / ratios['matmul']:.2f}x of matmul, "
            f"{whole / ratios['no CRA']:.2f}x of the frame without CRA, "
            f"plain / this {found[f'{engine} plain']['frame'] / whole:.2f}, "
            f"eager / this {found['torch eager']['frame'] / whole:.2f}, "
            f"refine / encode {stages['graph.refine'] / stages['graph.encode']:.2f}, "
            f"this / stream {whole / found[f'{engine} stream']['frame']:.2f}, "
            f"host {100 * host / whole:.1f} %"
        )
    if {"ov-f32", "ov-bf16"} <= set(engines):
        print(f"ov-f32 / ov-bf16 {found['ov-f32']['frame'] / found['ov-bf16']['frame']:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frame", choices=FRAMES, default="hd")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--dense", action="store_true", help="also refine every cell: slow")
    parser.add_argument("--keep", type=Path, help="folder of the graphs, to measure again")
    parser.add_argument("--profile", action="store_true", help="what the kernels take, alone")
    given = parser.parse_args()
    if given.clock == "processor":
        time.perf_counter = time.process_time  # the pipeline's clock looks it up there too
    main(
        given.frame,
        given.rounds,
        given.threads,
        given.engines,
        given.dense,
        given.keep,
        given.profile,
    )
