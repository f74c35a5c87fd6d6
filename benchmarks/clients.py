"""Bundles in every client that is installed: how far from the goldens, how fast beside ORT.

    python benchmarks/clients.py BUNDLE... [--client NAME ...] [--rounds 5] [--threads 2]

Prints a row for each graph and client: the largest difference from the recorded outputs, the
client's milliseconds, and those over ONNX Runtime's, in turns in one process. Each graph and client
has a process of its own, since a client may end it. A LiteRT bundle runs in LiteRT alone, beside
the graph of the same name of an ONNX bundle that stands before it.

`pip install --group clients` has the clients that pip installs. Those of Node come by `npm install
--ignore-scripts onnxruntime-node onnxruntime-web` and NODE_PATH; their times hold the reading and
writing of tensors as files. `browser` is onnxruntime-web in a headless Chromium, with the way there
and back; it looks for the package in `node_modules` from the working folder upwards. MNN's module
`MNN.tools` installs a package of its own accord when it is imported, and reports what it converted
to its makers: it is not imported here, its converter is called.
"""

import argparse
import importlib.util
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import EngineOptions, open_engine
from edgematte.runtime.engines.browser import places
from edgematte.runtime.engines.graph import CHANNELS_LAST, RunnableGraph
from edgematte.runtime.engines.runner import RunnerEngine
from edgematte.runtime.engines.runner_process import ServingCommand
from edgematte.runtime.proof.goldens import read

Arrays = dict[str, NDArray[Any]]
Call = Callable[[Mapping[str, NDArray[Any]]], Arrays]
SECONDS = 60
"""Seconds that one client may take for one graph."""


def with_onnxruntime(file: Path, graph: Graph, scratch: Path, threads: int) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options)
    names = [t.name for t in graph.outputs]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def with_openvino(file: Path, graph: Graph, scratch: Path, threads: int) -> Call:
    import openvino

    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    model = openvino.Core().compile_model(file, "CPU", config)
    return lambda inputs: {t.name: model(dict(inputs))[t.name] for t in graph.outputs}


def with_opencv(file: Path, graph: Graph, scratch: Path, threads: int) -> Call:
    import cv2

    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(str(file))
    names = [t.name for t in graph.outputs]

    def call(inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        for name, value in inputs.items():
            net.setInput(value, name)
        return dict(zip(names, net.forward(names), strict=True))

    return call


def with_mnn(file: Path, graph: Graph, scratch: Path, threads: int) -> Call:
    import _tools  # part of MNN
    import MNN

    made = scratch / f"{graph.name}.mnn"
    asked = ["", "-f", "ONNX", "--modelFile", str(file), "--MNNModel", str(made), "--bizCode", "x"]
    _tools.mnnconvert(asked)
    names = [t.name for t in graph.outputs]
    net = MNN.nn.load_module_from_file(str(made), [t.name for t in graph.inputs], names)

    def call(inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        given = [
            MNN.expr.const(np.ascontiguousarray(v), list(v.shape), MNN.expr.NCHW)
            for v in inputs.values()
        ]
        answers = net.onForward(given)
        return {
            name: np.array(MNN.expr.convert(answer, MNN.expr.NCHW).read())
            for name, answer in zip(names, answers, strict=True)
        }

    return call


def with_ncnn(file: Path, graph: Graph, scratch: Path, threads: int) -> Call:
    import ncnn
    import pnnx

    copy = scratch / f"{graph.name}.onnx"
    copy.write_bytes(file.read_bytes())
    subprocess.run([pnnx.EXEC_PATH, str(copy), "fp16=0"], cwd=scratch, check=True, stdout=-3)
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.load_param(str(scratch / f"{graph.name}.ncnn.param"))
    net.load_model(str(scratch / f"{graph.name}.ncnn.bin"))

    def call(inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        with net.create_extractor() as extractor:
            for i, value in enumerate(inputs.values()):
                extractor.input(f"in{i}", ncnn.Mat(np.ascontiguousarray(value[0])).clone())
            return {
                t.name: np.array(extractor.extract(f"out{i}")[1])[None]
                for i, t in enumerate(graph.outputs)
            }

    return call


def with_tract(file: Path, graph: Graph, scratch: Path, threads: int) -> Call:
    import tract

    runnable = tract.onnx().load(str(file)).into_model().into_runnable()
    names = [t.name for t in graph.outputs]

    def call(inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        answers = runnable.run(list(inputs.values()))
        return {name: a.to_numpy() for name, a in zip(names, answers, strict=True)}

    return call


def with_node(package: str) -> Callable[[Path, Graph, Path, int], Call]:
    """A package of npm, in Node by ``client.cjs``, which reads and writes tensors as files."""

    def opened(file: Path, graph: Graph, scratch: Path, threads: int) -> Call:
        script = Path(__file__).with_name("client.cjs")
        serving = ServingCommand(f"node {shlex.quote(str(script))} {package} {threads}", SECONDS)
        return RunnerEngine(file, graph, command=serving).run

    return opened


def with_engine(name: str) -> Callable[[Path, Graph, Path, int], Call]:
    """An engine of edgematte: LiteRT, or ONNX Runtime Web in a browser."""

    def opened(file: Path, graph: Graph, scratch: Path, threads: int) -> Call:
        chosen = EngineOptions(threads=threads if name == "litert" else None)
        runnable = RunnableGraph(graph, open_engine(name, file, graph, chosen))
        return lambda inputs: dict(runnable(**inputs))

    return opened


CLIENTS: dict[str, tuple[tuple[str, ...], Callable[[Path, Graph, Path, int], Call]]] = {
    "onnxruntime": (("onnxruntime",), with_onnxruntime),
    "openvino": (("openvino",), with_openvino),
    "opencv": (("cv2",), with_opencv),
    "mnn": (("MNN",), with_mnn),
    "ncnn": (("ncnn", "pnnx"), with_ncnn),
    "tract": (("tract",), with_tract),
    "onnxruntime-node": ((), with_node("onnxruntime-node")),
    "onnxruntime-web": ((), with_node("onnxruntime-web")),
    "browser": ((), with_engine("browser")),
    "litert": (("ai_edge_litert",), with_engine("litert")),
}
"""The modules that a client needs, and how a graph is opened with it."""


def reads(client: str, bundle: Path) -> bool:
    """Whether a client reads the files of a bundle."""
    target = open_bundle(bundle).manifest.target
    return target == "litert" if client == "litert" else target == "onnx"


def missing(client: str) -> list[str]:
    """The modules of a client that are not installed."""
    needed = CLIENTS[client][0]
    if needed:
        return [name for name in needed if importlib.util.find_spec(name) is None]
    if client == "browser":
        try:
            places.chromium(), places.runtime_files()
        except EngineError as error:
            return [str(error)]
        return []
    if shutil.which("node") is None:
        return ["node"]
    code = f"require.resolve({client!r})"
    found = subprocess.run(["node", "-e", code], capture_output=True, check=False)
    return [] if found.returncode == 0 else [f"{client} in NODE_PATH"]


def planes(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a tensor with channels before rows, as records have it."""
    if tensor.layout != CHANNELS_LAST:
        return tensor.shape
    batch, height, width, channels = tensor.shape
    return batch, channels, height, width


def compare(
    bundle: Path, client: str, rounds: int, threads: int, only: str = "", beside: str = ""
) -> list[dict[str, Any]]:
    """A row for each graph of a bundle, or one: largest difference, ms and ONNX Runtime's.

    ``beside`` is the bundle whose graphs ONNX Runtime runs, where it is another one.
    """
    opened = open_bundle(bundle)
    other_bundle = open_bundle(Path(beside)) if beside else opened
    others = {g.name: g for g in other_bundle.manifest.graphs}
    graphs = {g.name: g for g in opened.manifest.graphs}
    rows = []
    for name, record in read(opened.path, graphs).graphs.items():
        if only and name != only:
            continue
        graph = graphs[name]
        row: dict[str, Any] = {"bundle": bundle.name, "graph": name, "client": client}
        rows.append(row)
        with tempfile.TemporaryDirectory() as folder:
            try:
                call = CLIENTS[client][1](opened.file(graph), graph, Path(folder), threads)
                answers = call(record.inputs)
                apart = [
                    np.abs(
                        record.sample(answers[t.name].reshape(planes(t))) - record.outputs[t.name]
                    )
                    for t in graph.outputs
                ]
                row["max"] = max(float(a.max()) for a in apart)
            except Exception as error:
                row["failed"] = (str(error).strip() or type(error).__name__).splitlines()[-1][:160]
                continue
            calls = [("ms", call)]
            if other_bundle.manifest.target == "onnx" and name in others:
                file = other_bundle.file(others[name])
                calls.append(
                    ("ort_ms", with_onnxruntime(file, others[name], Path(folder), threads))
                )
            times: dict[str, list[float]] = {key: [] for key, _ in calls}
            for _ in range(rounds + 1):
                for key, one in calls:
                    start = time.perf_counter()
                    one(record.inputs)
                    times[key].append(1000 * (time.perf_counter() - start))
            row |= {key: float(np.median(t[1:] or t)) for key, t in times.items()}
    return rows


def apart(
    bundle: Path, client: str, rounds: int, threads: int, beside: str = ""
) -> list[dict[str, Any]]:
    """As :func:`compare`, with a process for each graph."""
    names = [graph.name for graph in open_bundle(bundle).manifest.graphs]
    return [_apart(bundle, client, rounds, threads, name, beside) for name in names]


def _apart(
    bundle: Path, client: str, rounds: int, threads: int, name: str, beside: str
) -> dict[str, Any]:
    asked = f"{str(bundle)!r}, {client!r}, {rounds}, {threads}, {name!r}, {beside!r}"
    row = {"bundle": bundle.name, "graph": name, "client": client}
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import clients; clients.child({asked})"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=SECONDS * (rounds + 1),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {**row, "failed": "took too long"}
    found = [line for line in done.stdout.splitlines() if line.startswith("row: ")]
    if not found:
        return {**row, "failed": f"ended the process with {done.returncode}"}
    told: dict[str, Any] = json.loads(found[0].removeprefix("row: "))
    return told


def child(bundle: str, client: str, rounds: int, threads: int, name: str, beside: str) -> None:
    (row,) = compare(Path(bundle), client, rounds, threads, name, beside)
    print("\nrow: " + json.dumps(row))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--client", action="append", choices=CLIENTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    print("| bundle | graph | client | max | ms | ONNX Runtime = 1 |\n|---|---|---|---|---|---|")
    onnx = ""
    for bundle in arguments.bundles:
        if open_bundle(bundle).manifest.target == "onnx":
            onnx = str(bundle.resolve())
        for client in arguments.client or CLIENTS:
            if not reads(client, bundle):
                continue
            if lacking := missing(client):
                print(f"| {bundle.name} | - | {client} | not installed: {', '.join(lacking)} | | |")
                continue
            for row in apart(bundle.resolve(), client, arguments.rounds, arguments.threads, onnx):
                if "failed" in row:
                    said = f"fails: {row['failed']} | | "
                else:
                    ratio = f"{row['ms'] / row['ort_ms']:.2f}" if "ort_ms" in row else ""
                    said = f"{row['max']:.1e} | {row['ms']:.1f} | {ratio}"
                print(f"| {row['bundle']} | {row['graph']} | {client} | {said} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
