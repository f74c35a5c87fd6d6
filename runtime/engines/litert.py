"""LiteRT: ``.tflite`` graphs on the processor, with XNNPACK's kernels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgematte.errors import EngineError, line_of
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.engines import EngineOptions
from edgematte.standard_error import muted


def devices() -> dict[str, str]:
    """The processor, which `engine="auto"` tries."""
    return {"cpu": ""}


class LiteRtEngine:
    """One ``.tflite`` graph; calls from several threads use interpreters of their own."""

    def __init__(self, file: Path, graph: Graph, options: EngineOptions) -> None:
        """``options.device`` is cpu: GPUs and NPUs of phones are reached by the app's own LiteRT.

        Raises:
            EngineError: another device, a file that does not load, or one whose inputs and outputs
                are not those that the manifest declares.
        """
        if (options.device or "cpu") != "cpu":
            raise EngineError(
                f"device {options.device!r}: engine litert runs here on the cpu only; a phone's "
                "GPU is reached by the app's own LiteRT"
            )
        self._file, self._graph, self._threads = file, graph, options.threads
        self._idle = [self._opened()]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name."""
        try:
            one = self._idle.pop()
        except IndexError:
            one = self._opened()
        interpreter, places = one
        try:
            for tensor in self._graph.inputs:
                interpreter.set_tensor(places[tensor.name], inputs[tensor.name])
            interpreter.invoke()
            values = {t.name: interpreter.get_tensor(places[t.name]) for t in self._graph.outputs}
        except Exception as error:
            raise EngineError(f"litert failed: {line_of(error)}") from None
        self._idle.append(one)
        return values

    def _opened(self) -> tuple[Interpreter, dict[str, int]]:
        """An interpreter, and the places of the graph's inputs and outputs by name."""
        try:
            with muted():  # it greets with the first graph of a process
                interpreter = Interpreter(model_path=str(self._file), num_threads=self._threads)
                interpreter.allocate_tensors()
        except Exception as error:
            raise EngineError(f"litert cannot load {self._file.name}: {line_of(error)}") from None
        graph, places = self._graph, {}
        for what, declared, found in (
            ("inputs", graph.inputs, interpreter.get_input_details()),
            ("outputs", graph.outputs, interpreter.get_output_details()),
        ):
            by_name = {one["name"]: one for one in found}
            if set(by_name) != {t.name for t in declared}:
                raise EngineError(
                    f"{self._file.name} has the {what} {', '.join(sorted(by_name))}, and the "
                    f"manifest declares {', '.join(sorted(t.name for t in declared))}: it was not "
                    "written with this manifest; export again"
                )
            for tensor in declared:
                self._refuse_other(tensor, by_name[tensor.name])
                places[tensor.name] = by_name[tensor.name]["index"]
        return interpreter, places

    def _refuse_other(self, tensor: Tensor, found: Mapping[str, Any]) -> None:
        shape, dtype = tuple(int(n) for n in found["shape"]), np.dtype(found["dtype"]).name
        if shape != tensor.shape or dtype != tensor.dtype:
            raise EngineError(
                f"{self._file.name}: {tensor.name} is {dtype} {list(shape)}, and the manifest "
                f"declares {tensor.dtype} {list(tensor.shape)}: export again"
            )
