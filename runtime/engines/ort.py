"""ONNX Runtime: cpu, cuda, tensorrt and Core ML providers, chosen explicitly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from edgematte.errors import EngineError, line_of
from edgematte.manifest import Graph
from edgematte.runtime.engines import EngineOptions
from edgematte.runtime.engines.declared import check_declared
from edgematte.runtime.engines.optimised import kept_session

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}


def devices() -> dict[str, str]:
    """The devices of this build, each with why `engine="auto"` does not try it, if so."""
    slow = {"tensorrt": "it compiles every graph, which takes minutes: ask for it by name"}
    available = onnxruntime.get_available_providers()
    return {kind: slow.get(kind, "") for kind, name in PROVIDERS.items() if name in available}


def session_options(graph: Graph) -> onnxruntime.SessionOptions:
    """How a graph is loaded, on any provider."""
    session = onnxruntime.SessionOptions()
    session.log_severity_level = 3
    # Else its threads go on spinning after a call, on cores that the host and other graphs need:
    # 24 of 120 ms of processor time in a picture of twelve patches.
    session.add_session_config_entry("session.force_spinning_stop", "1")
    if graph.expand_weights:  # else they are expanded in every run, and are no constants to kernels
        session.add_session_config_entry("session.disable_quant_qdq", "1")
    return session


class OnnxRuntimeEngine:
    """One ``.onnx`` or ``.ort`` graph; safe to call from several threads."""

    def __init__(self, file: Path, graph: Graph, options: EngineOptions) -> None:
        """``options.device`` is a key of ``PROVIDERS``, with an optional index: ``cuda:1``."""
        kind, _, index = (options.device or "cpu").partition(":")
        if kind not in PROVIDERS:
            elsewhere = "; webgpu is one of engine browser" if kind == "webgpu" else ""
            raise EngineError(
                f"unknown device {options.device!r}; there are: {', '.join(PROVIDERS)}{elsewhere}"
            )
        if index and (kind not in ("cuda", "tensorrt") or not index.isdecimal()):
            raise EngineError(f"device {options.device!r}: only GPUs are counted, such as cuda:1")
        provider = PROVIDERS[kind]
        available = onnxruntime.get_available_providers()
        if provider not in available:
            here = ", ".join(k for k, p in PROVIDERS.items() if p in available)
            raise EngineError(
                f"device {kind} asked for, but this onnxruntime has only: {here}"
                + ('; pip install "edgematte[gpu]"' if kind in ("cuda", "tensorrt") else "")
            )

        def session() -> onnxruntime.SessionOptions:
            made = session_options(graph)
            if options.threads:
                made.intra_op_num_threads = options.threads
            return made

        settings = {"device_id": index} if index else {}
        settings |= _tensorrt(graph, options) if kind == "tensorrt" else {}
        of = f"weights expanded {graph.expand_weights}"
        kept = kept_session(file, session, of) if options.keep and kind == "cpu" else None
        try:
            self._session = kept or onnxruntime.InferenceSession(
                str(file), session(), providers=[(provider, settings)]
            )
        except Exception as error:
            raise EngineError(f"onnxruntime cannot load {file.name}: {line_of(error)}") from None
        used = self._session.get_providers()
        if provider not in used:  # a provider that fails to start is replaced without an error
            raise EngineError(f"device {kind} did not start; onnxruntime fell back to {used[0]}")
        tensors = (*self._session.get_inputs(), *self._session.get_outputs())
        check_declared(file, graph, {t.name: t.shape or () for t in tensors})
        self._outputs = [t.name for t in graph.outputs]
        self._bound = kind in ("cuda", "tensorrt")

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name."""
        try:
            if self._bound:
                values = self._run_bound(inputs)
            else:
                values = self._session.run(self._outputs, dict(inputs))
        except Exception as error:
            raise EngineError(f"onnxruntime failed: {line_of(error)}") from None
        return dict(zip(self._outputs, values, strict=True))

    def _run_bound(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run with I/O binding: inputs are copied to the device once, outputs back once."""
        binding = self._session.io_binding()
        for name, value in inputs.items():
            binding.bind_cpu_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        values: list[NDArray[Any]] = binding.copy_outputs_to_cpu()
        return values


def _tensorrt(graph: Graph, options: EngineOptions) -> dict[str, str]:
    """Options of TensorRT: half precision where the file is, and a folder for compiled engines.

    An engine for a dynamic batch is compiled once, for calls of 1 to ``options.batch`` tiles.
    """
    settings = {"trt_fp16_enable": "1"} if options.half else {}
    if graph.dynamic_batch:
        one, most = _profile(graph), _profile(graph.of_batch(options.batch))
        settings |= {"trt_profile_min_shapes": one}
        settings |= {f"trt_profile_{kind}_shapes": most for kind in ("opt", "max")}
    if options.cache is not None:
        options.cache.mkdir(parents=True, exist_ok=True)
        settings |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(options.cache)}
    return settings


def _profile(graph: Graph) -> str:
    return ",".join(f"{t.name}:{'x'.join(map(str, t.shape))}" for t in graph.inputs)
