"""Engines run one graph each; one literal table lists them, and none is imported early."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from edgematte.errors import EngineError
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


@dataclass(frozen=True)
class EngineRow:
    """One engine: where its class lives, how to get it, what it runs."""

    where: str  # module:class
    pip_line: str
    targets: tuple[str, ...]  # the first engine of a target is its default
    hint: str = ""  # of precise arithmetic, where the shipped one may be less; "" where it is alike


ENGINES: dict[str, EngineRow] = {
    "onnxruntime": EngineRow(
        "edgematte.runtime.engines.ort:OnnxRuntimeEngine",
        'pip install "edgematte[cpu]"',
        ("onnx",),
    ),
    "openvino": EngineRow(
        "edgematte.runtime.engines.ov:OpenVinoEngine",
        'pip install "edgematte[openvino]"',
        ("openvino", "onnx"),
        "f32 hint",
    ),
    "coreml": EngineRow(
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
    able = [key for key, row in ENGINES.items() if target in row.targets]
    if not able:
        known = ", ".join(dict.fromkeys(t for row in ENGINES.values() for t in row.targets))
        raise EngineError(f"no engine runs {target!r} graphs; targets are: {known}")
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
    row = ENGINES[name]
    module, _, attribute = row.where.partition(":")
    try:
        cls = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise EngineError(f"engine {name} is not installed ({error}): {row.pip_line}") from None
    engine: Engine = cls(file, graph, options or EngineOptions())
    return engine
