"""Engines that are wrong, or right and slow, in the ways that devices were found to be."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.manifest import Graph
from edgematte.runtime.engines import EngineOptions
from edgematte.runtime.engines.ort import OnnxRuntimeEngine

Arrays = dict[str, NDArray[Any]]
opened: list[str] = []
"""Names of the classes of which graphs were opened, in their order."""


def devices() -> dict[str, str]:
    return {"cpu": ""}


class Right(OnnxRuntimeEngine):
    """ONNX Runtime on the processor, by another name."""

    def __init__(self, file: Path, graph: Graph, options: EngineOptions) -> None:
        opened.append(type(self).__name__)
        super().__init__(file, graph, options)


class Slow(Right):
    """Right, and a twentieth of a second slower for each call."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        time.sleep(0.05)
        return super().run(inputs)


class Lying(Right):
    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        return {name: self.changed(value.copy()) for name, value in super().run(inputs).items()}

    def changed(self, value: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError


class Scaled(Lying):
    """Off by a thousandth: ten times what fp32 is allowed."""

    def changed(self, value: NDArray[Any]) -> NDArray[Any]:
        return value * np.float32(1.001)


class OneNaN(Lying):
    """In a pixel that is not among those recorded of large planes."""

    def changed(self, value: NDArray[Any]) -> NDArray[Any]:
        value[..., 3, 5] = np.nan
        return value


class Overflown(Lying):
    """What half precision does to a sum of squares: infinity beyond 65504, and then a NaN."""

    def changed(self, value: NDArray[Any]) -> NDArray[Any]:
        large = (value.astype(np.float32) * 400).astype(np.float16)
        with np.errstate(over="ignore", invalid="ignore"):
            square = large * large
            return np.asarray(square / np.maximum(square, np.float16(1)), np.float32)


class Saturated(Lying):
    """Half precision that stops at its largest number, where nothing is infinite."""

    def changed(self, value: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.minimum(value * np.float32(1e5), 65504) / np.float32(1e5), np.float32)


class SwappedChannels(Right):
    """Takes RGB for BGR."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        changed = dict(inputs)
        changed["image"] = np.ascontiguousarray(inputs["image"][:, ::-1])
        return super().run(changed)


class Fails(Right):
    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        from edgematte.errors import EngineError

        raise EngineError("out of memory on the device")
