"""Engines run one graph each; one literal table lists them, and none is imported early."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.extras import importing
from edgematte.manifest import Graph

Arrays = dict[str, NDArray[Any]]


class Engine(Protocol):
    """Runs one graph on arrays of exactly its declared shapes and dtypes."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Inputs by name -> outputs by name."""


@dataclass(frozen=True)
class EngineOptions:
    """What every engine is told."""

    device: str | None = None  # cpu, cuda:1, gpu, ane, ...; None is the engine's plain default
    threads: int | None = None  # None leaves it to the engine
    precise: bool = False  # no reduced arithmetic that the file does not ask for
    half: bool = False  # the file is in half precision
    cache: Path | None = None  # folder where an engine keeps what it compiled (tensorrt)
    batch: int = 1  # the most tiles of one call, where the graph's batch is dynamic


TARGETS = ("onnx", "openvino", "coreml")

ENGINES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # name: (module:class, pip line, targets it runs; the first engine of a target is its default)
    "onnxruntime": (
        "edgematte.runtime.engines.ort:OnnxRuntimeEngine",
        'pip install "edgematte[cpu]"',
        ("onnx",),
    ),
    "openvino": (
        "edgematte.runtime.engines.ov:OpenVinoEngine",
        'pip install "edgematte[openvino]"',
        ("openvino", "onnx"),
    ),
    "coreml": (
        "edgematte.runtime.engines.coreml:CoreMLEngine",
        'pip install "edgematte[coreml]" on macOS',
        ("coreml",),
    ),
}


def engine_for(target: str, name: str | None = None) -> str:
    """The engine to run a target with: the one asked for, or the target's default.

    Raises:
        EngineError: no such engine, or one that cannot run this target.
    """
    able = [n for n, (_, _, targets) in ENGINES.items() if target in targets]
    if not able:
        raise EngineError(f"no engine runs {target!r} graphs; targets are: {', '.join(TARGETS)}")
    if name is None:
        return able[0]
    if name not in ENGINES:
        raise EngineError(f"unknown engine {name!r}; there are: {', '.join(ENGINES)}")
    if name not in able:
        raise EngineError(f"engine {name} cannot run {target} graphs; use {' or '.join(able)}")
    return name


def open_engine(
    name: str, file: Path, graph: Graph, options: EngineOptions | None = None
) -> Engine:
    """Load one graph.

    Args:
        name: a key of ``ENGINES``.
        file: the graph's file.
        graph: its declaration in the manifest.
        options: device, threads and arithmetic; by default the engine's own.

    Raises:
        EngineError: the engine is not installed, the device is missing, or the file does not load.
    """
    target, pip_line, _ = ENGINES[name]
    module, _, attribute = target.partition(":")
    with importing(f"engine {name} is not installed", pip_line, EngineError):
        cls = getattr(importlib.import_module(module), attribute)
    engine: Engine = cls(file, graph, options or EngineOptions())
    return engine
