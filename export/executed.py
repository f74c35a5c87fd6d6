"""Which operators an engine runs for a graph after its optimisation, and with which kernels."""

import tempfile
from collections import Counter
from pathlib import Path

from edgematte.manifest import Graph
from edgematte.net import load_part
from edgematte.targets import find_target

MOST = 12


def executed(target: str, file: Path, graph: Graph) -> Counter[str]:
    """Operators and how often each runs; empty for targets whose engine does not tell.

    Args:
        target: the name of the target.
        file: the graph's file.
        graph: its declaration, from which inputs to run it with are made.
    """
    where = find_target(target).executed
    counts: Counter[str] = load_part(where)(file, graph) if where else Counter()
    return counts


def executed_line(counts: Counter[str]) -> str:
    """The most frequent operators on one line."""
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(MOST))


def by_onnxruntime(file: Path, graph: Graph) -> Counter[str]:
    """Operators that ONNX Runtime runs after its optimisation."""
    import onnx
    import onnxruntime

    from edgematte.runtime.engines.ort import session_options

    with tempfile.TemporaryDirectory() as folder:
        options = session_options(graph)
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(options.optimized_model_filepath, load_external_data=False).graph.node
        return Counter(node.op_type for node in nodes)


def by_openvino(file: Path, graph: Graph) -> Counter[str]:
    """Operators that OpenVINO runs, with the name of the kernel (``_i8`` for INT8)."""
    import numpy as np
    import openvino

    from edgematte.runtime.engines.ov import shared_core

    core = shared_core()
    config = {"INFERENCE_PRECISION_HINT": "f32", "PERF_COUNT": True}
    request = core.compile_model(core.read_model(file), "CPU", config).create_infer_request()
    request.infer({t.name: np.zeros(t.shape, t.dtype) for t in graph.inputs})
    ran = openvino.ProfilingInfo.Status.EXECUTED
    profile = request.get_profiling_info()
    return Counter(f"{one.node_type} {one.exec_type}" for one in profile if one.status == ran)
