"""Core ML itself, on macOS. Elsewhere ``edgematte check`` evaluates the same file op by op."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import EngineError, line_of
from edgematte.extras import importing
from edgematte.manifest import Graph
from edgematte.runtime.engines import EngineOptions

UNITS = {"all": "ALL", "cpu": "CPU_ONLY", "gpu": "CPU_AND_GPU", "ane": "CPU_AND_NE"}


def refuse_elsewhere() -> None:
    """Raise EngineError where there is no Core ML."""
    if sys.platform != "darwin":
        raise EngineError(
            "engine coreml needs macOS; on this system `edgematte check` evaluates the bundle, "
            "and an onnx or openvino export of the same weights can be run"
        )


def devices() -> dict[str, str]:
    """Which units of the processor it may use, all of which `engine="auto"` tries.

    Raises:
        EngineError: this is no macOS.
    """
    refuse_elsewhere()
    import coremltools  # noqa: F401  the caller says how to install it

    return dict.fromkeys(UNITS, "")


class CoreMLEngine:
    """One ``.mlpackage`` through Core ML's Python binding."""

    def __init__(self, file: Path, graph: Graph, options: EngineOptions) -> None:
        """``options.device`` is a key of ``UNITS``; Core ML chooses its threads itself."""
        refuse_elsewhere()
        pip_line = 'pip install "edgematte[coreml]"'
        with importing("engine coreml is not installed", pip_line, EngineError):
            import coremltools
        from PIL import Image

        unit = UNITS.get(options.device or ("cpu" if options.precise else "all"))
        if unit is None:
            raise EngineError(f"unknown device {options.device!r}; there are: {', '.join(UNITS)}")
        self._image: Any = Image
        self._graph: Graph = graph
        try:
            self._model: Any = coremltools.models.MLModel(
                str(file), compute_units=getattr(coremltools.ComputeUnit, unit)
            )
        except Exception as error:
            raise EngineError(f"coreml cannot load {file.name}: {line_of(error)}") from None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name; pictures for graphs that take and give pictures."""
        given: dict[str, Any] = dict(inputs)
        if self._graph.image_io:
            for tensor in self._graph.inputs:
                planes = np.rint(given[tensor.name][0]).astype(np.uint8)
                given[tensor.name] = self._image.fromarray(planes.transpose(1, 2, 0))
        outputs = {}
        try:
            predicted = self._model.predict(given)
            for tensor in self._graph.outputs:
                value = np.asarray(predicted[tensor.name], np.float32)
                outputs[tensor.name] = value.reshape(tensor.shape)
        except Exception as error:
            raise EngineError(f"coreml failed: {line_of(error)}") from None
        return outputs
