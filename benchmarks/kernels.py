"""What the kernels of a graph took on an engine, by operator and shape: profiles for benchmarks."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgematte.manifest import Graph

RUNS = 12
WARMUPS = 2
MOST = 14


@dataclass(frozen=True)
class Kernel:
    """Nodes of one operator and one shape."""

    name: str  # the operator, or the engine's name of the kernel
    shape: str
    count: int
    ms: float  # of all of them together, of each node the least over the runs


def profiled(
    engine: str, file: Path, graph: Graph, threads: int, *, precise: bool = True
) -> list[Kernel]:
    """The kernels of a graph on noise, those that take the most time first."""
    random = np.random.default_rng(0)
    given = {t.name: random.random(t.shape, np.float32).astype(t.dtype) for t in graph.inputs}
    nodes = _onnxruntime if engine == "onnxruntime" else _openvino
    times: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for kernel, shape, node, ms in nodes(file, graph, given, threads, precise):
        times[kernel, shape][node].append(ms)
    found = [
        Kernel(*key, len(by_node), sum(map(min, by_node.values())))
        for key, by_node in times.items()
    ]
    return sorted(found, key=lambda one: -one.ms)


def table(title: str, kernels: Sequence[Kernel]) -> str:
    """Lines by operator, then those by operator and shape that take the most time."""
    total = sum(k.ms for k in kernels)
    by_name: dict[str, list[Kernel]] = defaultdict(list)
    for kernel in kernels:
        by_name[kernel.name].append(kernel)
    names = sorted(by_name, key=lambda name: -sum(k.ms for k in by_name[name]))
    lines = [f"{title}: {total:.1f} ms in {sum(k.count for k in kernels)} kernels"]
    for name in names[:MOST]:
        ms, count = sum(k.ms for k in by_name[name]), sum(k.count for k in by_name[name])
        lines.append(f"  {ms:8.2f} ms {100 * ms / total:5.1f} % {count:5} x {name}")
    lines.append("  of these, by shape:")
    for k in kernels[:MOST]:
        share = 100 * k.ms / total
        lines.append(f"  {k.ms:8.2f} ms {share:5.1f} % {k.count:5} x {k.name} {k.shape}")
    return "\n".join(lines)


Node = tuple[str, str, str, float]  # operator, shape, name of the node, milliseconds


def _onnxruntime(
    file: Path, graph: Graph, given: dict[str, Any], threads: int, precise: bool
) -> Iterator[Node]:
    import onnxruntime

    from edgematte.runtime.engines.ort import session_options

    with tempfile.TemporaryDirectory() as folder:
        options = session_options(graph)
        options.intra_op_num_threads = threads
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        for _ in range(WARMUPS + RUNS):
            session.run(None, given)
        events = json.loads(Path(session.end_profiling()).read_text())
    seen: dict[str, int] = defaultdict(int)
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time"):
            continue
        name, args = event["name"].removesuffix("_kernel_time"), event["args"]
        seen[name] += 1
        if seen[name] > WARMUPS:
            shapes = (_shapes(args.get(f"{side}_type_shape", ())) for side in ("input", "output"))
            yield args["op_name"], " -> ".join(shapes), name, event["dur"] / 1000


def _shapes(listed: Sequence[dict[str, list[int]]]) -> str:
    """``1x32x64x64, 16x32x1x1``."""
    return ", ".join("x".join(map(str, dims)) for one in listed for dims in one.values() if dims)


def _openvino(
    file: Path, graph: Graph, given: dict[str, Any], threads: int, precise: bool
) -> Iterator[Node]:
    import openvino

    from edgematte.runtime.engines.ov import shared_core

    core = shared_core()
    config: dict[str, Any] = {"PERF_COUNT": True, "INFERENCE_NUM_THREADS": threads}
    config |= {"INFERENCE_PRECISION_HINT": "f32"} if precise else {}
    compiled = core.compile_model(core.read_model(file), "CPU", config)
    shapes = {
        node.get_friendly_name(): "x".join(map(str, node.get_output_shape(0)))
        for node in compiled.get_runtime_model().get_ordered_ops()
        if node.get_output_size()
    }
    request = compiled.create_infer_request()
    for number in range(WARMUPS + RUNS):
        request.infer(given)
        for one in request.get_profiling_info() if number >= WARMUPS else ():
            if one.status == openvino.ProfilingInfo.Status.EXECUTED:
                name = f"{one.node_type} {one.exec_type}"
                seconds = one.real_time.total_seconds()
                yield name, shapes.get(one.node_name, ""), one.node_name, 1000 * seconds
