"""Records of a picture of one's own, to look for a faulty stage on it where the bundle's is well.

Without PyTorch the reference is the same file in plain arithmetic: an ONNX graph on ONNX Runtime
without any optimisation, on the processor; for other targets the engine that decides the check. So
what is found is the engine's; what the file lost at export is what the check is for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.check.engines import CheckEngine, check_engines
from edgematte.errors import EngineError, OptionError, line_of
from edgematte.extras import importing
from edgematte.manifest import Graph, Manifest
from edgematte.nets import find
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines import ENGINES
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.pipeline import pipeline_for
from edgematte.runtime.proof.goldens import Goldens, GraphRecord


def reference_of(manifest: Manifest) -> CheckEngine:
    """What runs a bundle's graphs plainly.

    Raises:
        EngineError: it is not here.
    """
    if manifest.target == "onnx":
        return CheckEngine("onnxruntime without optimisations", _Plain)
    return check_engines(manifest)[0]


def record_picture(
    bundle: Bundle, picture: Bytes, trimap: Bytes | None, reference: CheckEngine
) -> Goldens:
    """One call of each graph for a picture, and alpha, as a reference gives them.

    There is nothing on host steps: they are NumPy alone, and are looked at on the bundle's record.

    Args:
        bundle: the bundle, opened and verified.
        picture: uint8 (H, W, 3).
        trimap: uint8 (H, W), for nets that are given theirs.
        reference: what runs the graphs.

    Raises:
        OptionError: a net that needs a trimap has none, or no graph is called for this picture.
        EngineError: the reference failed.
    """
    manifest = bundle.manifest
    variant = find(manifest.model)
    calls = {
        graph.name: _Remembering(
            RunnableGraph(graph, reference.open(bundle.file(graph), graph), manifest.host_of(graph))
        )
        for graph in manifest.graphs
    }
    pipeline = pipeline_for(variant, manifest.host, calls, stage=manifest.trimap_stage)
    alpha, used = pipeline(picture, trimap, Clock())
    records = {name: call.record() for name, call in calls.items() if call.seen}
    if not records:
        raise OptionError("no graph is called for this picture: it has no unknown pixel")
    return Goldens(records, {}, picture, used, alpha)


class _Remembering:
    """A graph that keeps the one call whose outputs vary the most."""

    def __init__(self, graph: RunnableGraph) -> None:
        self.graph = graph
        self.seen: list[tuple[dict[str, Floats], dict[str, Floats]]] = []

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        outputs = self.graph(**inputs)
        self.seen.append((dict(inputs), outputs))
        self.seen = sorted(self.seen, key=_varying, reverse=True)[:1]
        return outputs

    def record(self) -> GraphRecord:
        inputs, outputs = self.seen[0]
        kept = GraphRecord(inputs, {}, 1)
        kept.outputs.update((name, np.array(kept.sample(v))) for name, v in outputs.items())
        return kept


def _varying(call: tuple[Mapping[str, Floats], Mapping[str, Floats]]) -> float:
    return float(sum(value.std() for value in call[1].values()))


class _Plain:
    """An ONNX graph on ONNX Runtime as it is written, on the processor."""

    def __init__(self, file: Path, graph: Graph) -> None:
        with importing(
            "engine onnxruntime is not installed", ENGINES["onnxruntime"].pip_line, EngineError
        ):
            import onnxruntime

            from edgematte.runtime.engines.ort import session_options
        options = session_options(graph)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._names = [tensor.name for tensor in graph.outputs]
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise EngineError(f"onnxruntime cannot load {file.name}: {line_of(error)}") from None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        try:
            values = self._session.run(self._names, dict(inputs))
        except Exception as error:
            raise EngineError(f"onnxruntime failed: {line_of(error)}") from None
        return dict(zip(self._names, values, strict=True))
