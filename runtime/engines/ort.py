"""ONNX Runtime: cpu, cuda, tensorrt and Core ML providers, chosen explicitly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.manifest import Graph
from edgematte.runtime.engines import EngineOptions

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}


class OnnxRuntimeEngine:
    """One ``.onnx`` or ``.ort`` graph; safe to call from several threads."""

    def __init__(self, file: Path, graph: Graph, options: EngineOptions) -> None:
        """``options.device`` is a key of ``PROVIDERS``, with an optional index: ``cuda:1``."""
        kind, _, index = (options.device or "cpu").partition(":")
        if kind not in PROVIDERS:
            raise EngineError(
                f"unknown device {options.device!r}; there are: {', '.join(PROVIDERS)}"
            )
        provider = PROVIDERS[kind]
        available = onnxruntime.get_available_providers()
        if provider not in available:
            here = ", ".join(k for k, p in PROVIDERS.items() if p in available)
            raise EngineError(
                f"device {kind} asked for, but this onnxruntime has only: {here}"
                + ('; pip install "edgematte[gpu]"' if kind in ("cuda", "tensorrt") else "")
            )
        session = onnxruntime.SessionOptions()
        session.log_severity_level = 3
        if options.threads:
            session.intra_op_num_threads = options.threads
        if graph.expand_weights:  # else every run expands them, and no kernel finds constants
            session.add_session_config_entry("session.disable_quant_qdq", "1")
        settings = {"device_id": index} if index else {}
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), session, providers=[(provider, settings)]
            )
        except Exception as error:
            raise EngineError(
                f"onnxruntime cannot load {file.name}: {_first_line(error)}"
            ) from None
        used = self._session.get_providers()
        if provider not in used:  # onnxruntime falls back silently when a provider fails to start
            raise EngineError(f"device {kind} did not start; onnxruntime fell back to {used[0]}")
        self._outputs = [t.name for t in graph.outputs]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name."""
        try:
            values = self._session.run(self._outputs, dict(inputs))
        except Exception as error:
            raise EngineError(f"onnxruntime failed: {_first_line(error)}") from None
        return dict(zip(self._outputs, values, strict=True))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
