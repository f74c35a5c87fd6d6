"""A graph on ONNX Runtime Web, in a page of a headless Chromium."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.engines import EngineOptions
from edgematte.runtime.engines.browser.chromium import DEVICES, browser_for

WEIGHTS = "weights.bin"


class BrowserEngine:
    """One ``.onnx`` graph; calls from several threads wait for each other."""

    def __init__(self, file: Path, graph: Graph, options: EngineOptions) -> None:
        """``options.device`` is a key of ``DEVICES``; by default, as for ``cpu``, WebAssembly."""
        device = "wasm" if options.device in (None, "cpu") else str(options.device)
        if device not in DEVICES:
            raise EngineError(
                f"engine browser has no device {device!r}; there are: {', '.join(DEVICES)}"
            )
        self._browser = browser_for(device)
        head: dict[str, Any] = {"kind": "open", "expand": graph.expand_weights}
        weights = file.with_name(WEIGHTS)
        if weights.is_file():
            self._browser.jobs.weights.append(weights)
            head["weights"] = f"weights/{len(self._browser.jobs.weights) - 1}"
        try:
            answer, _ = self._browser.ask(head, file.read_bytes())
        except EngineError as error:
            raise EngineError(f"the browser cannot load {file.name}: {error}") from None
        self._session = answer["session"]
        self._graph = graph

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name."""
        graph = self._graph.of_batch(len(inputs[self._graph.inputs[0].name]))
        arrays = [_little(inputs[t.name], t) for t in graph.inputs]
        described = [
            {"name": t.name, "dtype": t.dtype, "shape": list(t.shape), "bytes": array.nbytes}
            for t, array in zip(graph.inputs, arrays, strict=True)
        ]
        head = {"kind": "run", "session": self._session, "inputs": described}
        head["outputs"] = [t.name for t in graph.outputs]
        try:
            answer, body = self._browser.ask(head, b"".join(a.tobytes() for a in arrays))
        except EngineError as error:
            raise EngineError(f"the browser failed: {error}") from None
        outputs, at = {}, 0
        for tensor, said in zip(graph.outputs, answer["outputs"], strict=True):
            dtype = np.dtype(tensor.dtype).newbyteorder("<")
            shape = tuple(said["shape"])
            if said["bytes"] != int(np.prod(shape)) * dtype.itemsize:
                raise EngineError(f"the browser gave {tensor.name} of another type than declared")
            values = np.frombuffer(body, dtype, int(np.prod(shape)), at)
            outputs[tensor.name] = values.reshape(shape).astype(tensor.dtype)
            at += said["bytes"]
        return outputs


def _little(array: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    return np.ascontiguousarray(array, np.dtype(tensor.dtype).newbyteorder("<"))
