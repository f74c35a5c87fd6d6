"""OpenVINO: IR or ONNX graphs on cpu, gpu or npu."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from edgematte.errors import EngineError, line_of
from edgematte.manifest import Graph
from edgematte.runtime.engines import EngineOptions
from edgematte.runtime.engines.declared import check_declared


@functools.cache
def shared_core() -> openvino.Core:
    """The one Core of the process, kept to its end.

    OpenVINO's CPU plug-in gives the thread that opens it an alternate stack for signals, and puts
    back the one before when its Core goes. Of two Cores that do not go in the reverse order the
    thread keeps a stack that is freed, and the next signal, such as Ctrl-C, is a segmentation
    fault.
    """
    return openvino.Core()


def devices() -> dict[str, str]:
    """The devices there are here, all of which `engine="auto"` tries."""
    return {name.lower().replace(".", ":"): "" for name in shared_core().available_devices}


class OpenVinoEngine:
    """One compiled model; calls from several threads use infer requests of their own."""

    def __init__(self, file: Path, graph: Graph, options: EngineOptions) -> None:
        """With ``precise``, of ``options`` or the graph, the hint is f32; else bf16 may be used."""
        core = shared_core()
        name = (options.device or "cpu").upper().replace(":", ".")
        if name.split(".")[0] not in {d.split(".")[0] for d in core.available_devices}:
            here = ", ".join(d.lower() for d in core.available_devices)
            raise EngineError(
                f"device {options.device} asked for, but this openvino has only: {here}"
            )
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if options.streams > 1:
            config = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(options.streams)}
        if options.precise or graph.precise:
            config["INFERENCE_PRECISION_HINT"] = "f32"
        if options.threads:
            config["INFERENCE_NUM_THREADS"] = options.threads
        try:
            self._model = core.compile_model(core.read_model(file), name, config)
        except Exception as error:
            first = line_of(error, last=True)
            raise EngineError(f"openvino cannot load {file.name}: {first}") from None
        found = {
            name: [side.get_length() if side.is_static else -1 for side in port.partial_shape]
            for port in (*self._model.inputs, *self._model.outputs)
            for name in port.names
            if port.partial_shape.rank.is_static
        }
        check_declared(file, graph, found)
        self._graph = graph
        self._idle: list[Any] = []  # infer requests that no call uses at the moment

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name; the model writes into the arrays that are returned."""
        graph = self._graph.of_batch(len(inputs[self._graph.inputs[0].name]))
        outputs = {t.name: np.empty(t.shape, np.dtype(t.dtype)) for t in graph.outputs}
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        try:
            for name, array in outputs.items():
                request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
            request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        except Exception as error:
            raise EngineError(f"openvino failed: {line_of(error, last=True)}") from None
        self._idle.append(request)
        return outputs
