"""A graph run elsewhere: a phone over ssh or adb, or a program in another language.

For every call there is a folder that holds ``job.json`` and a file for each input; the command
writes a file for each output. The format is described in docs/runner.md.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.engines.runner_process import (
    TIMEOUT_S,
    OneCommandPerJob,
    RunnerCommand,
)

JOB = "job.json"


class RunnerEngine:
    """Hands one graph's inputs to a command and reads its outputs back."""

    def __init__(
        self,
        file: Path,
        graph: Graph,
        *,
        command: str | RunnerCommand,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """``command``: one that is started for every call, or what carries out jobs.

        ``timeout_s`` is of a command that is started for every call.
        """
        self._command = (
            OneCommandPerJob(command, timeout_s) if isinstance(command, str) else command
        )
        self._file, self._graph = file, graph

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name."""
        with tempfile.TemporaryDirectory(prefix="edgematte-run-") as name:
            folder = Path(name)
            graph = self._graph.of_batch(len(inputs[self._graph.inputs[0].name]))
            for tensor in graph.inputs:
                _little(inputs[tensor.name], tensor).tofile(folder / f"{tensor.name}.bin")
            job = {
                "graph": graph.name,
                "file": str(self._file.resolve()),
                "expand_weights": graph.expand_weights,
                "inputs": [_entry(t) for t in graph.inputs],
                "outputs": [_entry(t) for t in graph.outputs],
            }
            (folder / JOB).write_text(json.dumps(job, indent=2))
            self._command(folder)
            return {t.name: self._read(folder, t) for t in graph.outputs}

    def _read(self, folder: Path, tensor: Tensor) -> NDArray[Any]:
        file = folder / f"{tensor.name}.bin"
        if not file.is_file():
            raise EngineError(f"the runner wrote no {file.name}")
        dtype = np.dtype(tensor.dtype).newbyteorder("<")
        expected = int(np.prod(tensor.shape)) * dtype.itemsize
        if file.stat().st_size != expected:
            raise EngineError(
                f"the runner's {file.name} has {file.stat().st_size} bytes; {tensor.dtype} "
                f"{list(tensor.shape)} takes {expected}"
            )
        return np.fromfile(file, dtype).reshape(tensor.shape).astype(tensor.dtype)


def _little(array: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    return np.ascontiguousarray(array, np.dtype(tensor.dtype).newbyteorder("<"))


def _entry(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "file": f"{tensor.name}.bin",
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "range": list(tensor.range),
    }
