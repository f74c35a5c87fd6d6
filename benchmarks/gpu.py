"""ViTMatte on a GPU: pictures per second and peak memory, beside PyTorch eager and compiled.

    pip install "edgematte[export]"; pip uninstall -y onnxruntime; pip install onnxruntime-gpu
    python benchmarks/gpu.py [--models vitmatte-s vitmatte-b] [--sizes 512 1024] [--batches 1 8]
    python benchmarks/gpu.py --device cpu --models vitmatte-tiny --sizes 128    # tries the program

Every way runs in a process of its own, one after the other, in half precision (fp32 with `--device
cpu`), with the same random weights and the same pictures, which are copied to the device and alpha
back in every call. `MB` is the device's memory in use at the most, over what was in use before: the
device should have nothing else to do. `mad` is alpha's mean difference from PyTorch in fp32. The
graph of one size serves all batches (`--dynamic-batch`). Prints the table of docs/gpu.md.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from edgematte.arrays import Floats
from edgematte.checkpoint import random_model
from edgematte.errors import EngineError
from edgematte.export.capture import TorchGraph, capture
from edgematte.export.cuts.vitmatte import CUT
from edgematte.export.passes import for_onnx
from edgematte.export.targets.onnx import WRITER
from edgematte.models.vitmatte.network import ViTMatte
from edgematte.nets import find
from edgematte.runtime.engines import EngineOptions
from edgematte.runtime.engines.ort import PROVIDERS, OnnxRuntimeEngine
from edgematte.runtime.nets.vitmatte.host import Sizes
from edgematte.targets import OnnxOptions
from edgematte.testcard import testcard, testcard_trimap

Run = Callable[[], Floats]
WAYS = ("eager", "compile", "onnxruntime", "tensorrt")
LONGEST_S = 5400  # of one way: TensorRT compiles for minutes
SAMPLE_S = 0.002


@dataclass(frozen=True)
class Task:
    """One row."""

    way: str
    model: str
    size: int
    batch: int
    device: str
    rounds: int

    @property
    def half(self) -> bool:
        """Whether it computes in half precision."""
        return self.device != "cpu"


@dataclass(frozen=True)
class Row:
    """What one way measured; ``failed`` says why there are no figures."""

    pictures_per_s: float = 0.0
    peak_mb: float = 0.0
    mad: float = 0.0
    failed: str = ""


def measure(task: Task) -> Row:
    """Run one way, in this process."""
    try:
        with tempfile.TemporaryDirectory() as scratch, torch.inference_mode():
            return _measure(task, Path(scratch))
    except (RuntimeError, EngineError) as error:
        first = str(error).strip().splitlines()[0]
        return Row(failed="out of memory" if "memory" in first.lower() else first[:80])


def _measure(task: Task, scratch: Path) -> Row:
    model, _ = random_model(find(task.model), {}, 0)
    assert isinstance(model, ViTMatte)
    size = (task.size, task.size)
    host = CUT.host("tiles", size, Sizes(overlap=task.size // 4), model)
    (source,) = CUT.graphs(model, host)
    inputs = pictures(task)
    memory = Memory(task.device)
    if task.way in ("eager", "compile"):
        run = torch_run(source, inputs, task)
    else:
        run = onnxruntime_run(source, inputs, task, scratch)
    alpha = run()  # compiles, and chooses kernels
    run()
    seconds = []
    for _ in range(task.rounds):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    peak = memory.peak_mb()
    return Row(task.batch / float(np.median(seconds)), peak, apart_by(source, inputs, task, alpha))


def apart_by(source: TorchGraph, inputs: dict[str, Floats], task: Task, alpha: Floats) -> float:
    """Mean difference of the first alpha from PyTorch in fp32; NaN where memory runs out."""
    one = {name: value[:1] for name, value in inputs.items()}
    try:
        wanted = torch_run(source, one, replace(task, way="eager"), half=False)()
    except torch.OutOfMemoryError:
        return float("nan")
    return float(np.abs(alpha[:1] - wanted).mean())


def pictures(task: Task) -> dict[str, Floats]:
    """Parts of the test card, each cut differently."""
    side, last = task.size, 8 * (task.batch - 1)
    card, trimap = testcard(side + last, side), testcard_trimap(side + last, side)
    starts = range(0, last + 1, 8)
    image = np.stack([card[:, i : i + side].transpose(2, 0, 1) for i in starts])
    classes = np.stack([trimap[None, :, i : i + side] for i in starts])
    unit = np.float32(255)
    return {
        "image": (image / unit).astype(np.float32),
        "trimap": (classes / unit).astype(np.float32),
    }


def torch_run(
    source: TorchGraph, inputs: dict[str, Floats], task: Task, half: bool | None = None
) -> Run:
    """PyTorch's module on the device."""
    half = task.half if half is None else half
    kind = torch.float16 if half else torch.float32
    module = source.module.eval().to(task.device, kind)
    call = torch.compile(module) if task.way == "compile" else module
    given = [torch.from_numpy(inputs[t.name]) for t in source.graph.inputs]

    def run() -> Floats:
        alpha = call(*(x.to(task.device).to(kind) for x in given))
        return np.asarray(alpha.float().cpu().numpy())

    return run


def onnxruntime_run(
    source: TorchGraph, inputs: dict[str, Floats], task: Task, scratch: Path
) -> Run:
    """The exported graph by the engine that bundles run on."""
    precision = "fp16" if task.half else "fp32"
    options = OnnxOptions(precision, dynamic_batch=True)
    open_batch = replace(source, graph=replace(source.graph, dynamic_batch=True))
    made = capture(open_batch, for_onnx(options))
    model = WRITER.build(made, options)
    graph = WRITER.save(model, made.graph, scratch, "", options)
    device = task.device if task.way == "onnxruntime" else task.device.replace("cuda", task.way)
    settings = EngineOptions(device, half=task.half, cache=scratch / "engines", batch=task.batch)
    engine = OnnxRuntimeEngine(scratch / graph.file, graph, settings)
    return lambda: engine.run(inputs)["alpha"]


class Memory:
    """Watches how much of the device's memory is in use."""

    def __init__(self, device: str) -> None:
        """Starts watching; the processor's memory is not watched."""
        self.device, self.most, self._stop = device, 0, threading.Event()
        self.before = self._used()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _used(self) -> int:
        if self.device == "cpu":
            return 0
        free, total = torch.cuda.mem_get_info(self.device)
        return int(total - free)

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self.most = max(self.most, self._used())

    def peak_mb(self) -> float:
        """Stops watching: the most that was in use, over what was before, in 1e6 bytes."""
        self._stop.set()
        self._thread.join()
        return max(0, self.most - self.before) / 1e6


def missing(device: str, ways: list[str]) -> str:
    """Why this machine cannot run the ways that were asked for, in a sentence; or nothing."""
    if device == "cpu":
        return "tensorrt needs a GPU: leave it out of --ways" if "tensorrt" in ways else ""
    if not torch.cuda.is_available():
        return "benchmarks/gpu.py measures on an NVIDIA GPU, and PyTorch finds none here"
    here = onnxruntime.get_available_providers()
    for way, kind in (("onnxruntime", "cuda"), ("tensorrt", "tensorrt")):
        if way in ways and PROVIDERS[kind] not in here:
            return (
                f"this onnxruntime has no {kind}: pip install onnxruntime-gpu (and TensorRT), or "
                f"leave {way} out of --ways"
            )
    return ""


def main(arguments: argparse.Namespace) -> None:
    """Print the table, row by row."""
    device = arguments.device
    ways = arguments.ways or [w for w in WAYS if device != "cpu" or w in ("eager", "onnxruntime")]
    if reason := missing(device, ways):
        sys.exit(reason)
    name = "the processor" if device == "cpu" else torch.cuda.get_device_name(device)
    print(f"{name}, PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}\n")
    print("| model | size | batch | way | pictures/s | ratio | MB | mad |\n|" + "---|" * 8)
    for model in arguments.models:
        for size in arguments.sizes:
            for batch in arguments.batches:
                first = 0.0
                for way in ways:
                    row = in_process(Task(way, model, size, batch, device, arguments.rounds))
                    first = first or row.pictures_per_s
                    ratio = f"{row.pictures_per_s / first:.2f}x" if first else "-"
                    figures = f"{row.pictures_per_s:.2f} | {ratio} | {row.peak_mb:.0f} "
                    figures = (
                        f"{row.failed} | - | - | - |"
                        if row.failed
                        else figures + (f"| {row.mad:.0e} |")
                    )
                    print(f"| {model} | {size} | {batch} | {way} | {figures}", flush=True)


def in_process(task: Task) -> Row:
    """As :func:`measure`, in a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply_async(measure, (task,)).get(LONGEST_S)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["vitmatte-s", "vitmatte-b"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[512, 1024, 2048])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="default: all that the device has")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--device", default="cuda:0")
    main(parser.parse_args())
