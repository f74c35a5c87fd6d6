"""Engines run one graph each; one literal table lists them, and none is imported early."""

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.extras import importing
from edgematte.manifest import Graph
from edgematte.runtime.engines.process import ProcessEngine, Run

Arrays = dict[str, NDArray[Any]]


class Engine(Protocol):
    """Runs one graph on arrays of exactly its declared shapes and dtypes."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Inputs by name -> outputs by name."""


@dataclass(frozen=True)
class EngineOptions:
    """What every engine is told."""

    device: str | None = None  # cpu, cuda:1, ane, grpc://...; None is the engine's plain default
    threads: int | None = None  # None leaves it to the engine
    precise: bool = False  # do not compute in lower precision than the file says
    half: bool = False  # whether the file is in half precision
    cache: Path | None = None  # folder where an engine keeps what it compiled (tensorrt)
    keep: bool = False  # keep graphs as the engine optimised them, for the next start (onnxruntime)
    batch: int = 1  # the most tiles of one call, where the graph's batch is dynamic
    streams: int = 1  # calls at a time that an engine with streams divides its threads among


@dataclass(frozen=True)
class EngineRow:
    """One engine: where its class lives, how to get it, what it runs.

    Where `engine="auto"` may try it, its module has ``devices() -> dict[str, str]`` beside the
    class: the devices there are here, and for each why it is not tried; empty where it is.
    """

    where: str  # module:class
    pip_line: str
    targets: tuple[str, ...]  # the first engine of a target is its default
    threads: bool = True  # whether their number can be chosen
    streams: bool = False  # whether one opened graph divides its threads among several calls
    package: str = ""  # the module that it comes with, whose version verdicts depend on
    hint: str = ""  # its name for precise arithmetic; empty where that is what it does anyway
    remote: bool = False  # a server has loaded the graphs: the bundle's files are not read


AUTO = "auto"
"""In place of an engine's name: the fastest that is right, see `edgematte.runtime.proof`."""

ENGINES: dict[str, EngineRow] = {
    "onnxruntime": EngineRow(
        "edgematte.runtime.engines.ort:OnnxRuntimeEngine",
        'pip install "edgematte[cpu]"',
        ("onnx",),
        package="onnxruntime",
    ),
    "openvino": EngineRow(
        "edgematte.runtime.engines.ov:OpenVinoEngine",
        'pip install "edgematte[openvino]"',
        ("openvino", "onnx"),
        streams=True,
        hint="f32 hint",
        package="openvino",
    ),
    "coreml": EngineRow(
        "edgematte.runtime.engines.coreml:CoreMLEngine",
        'pip install "edgematte[coreml]" on macOS',
        ("coreml",),
        threads=False,
        package="coremltools",
    ),
    "litert": EngineRow(
        "edgematte.runtime.engines.litert:LiteRtEngine",
        'pip install "edgematte[litert]"',
        ("litert",),
        package="ai_edge_litert",
    ),
    "browser": EngineRow(
        "edgematte.runtime.engines.browser.engine:BrowserEngine",
        "pip install edgematte, and npm install onnxruntime-web@1.30.0",
        ("onnx",),
        threads=False,
    ),
    "kserve": EngineRow(
        "edgematte.runtime.engines.kserve.engine:KServeEngine",
        'pip install "edgematte[remote]"',
        ("onnx", "openvino"),
        threads=False,
        remote=True,
    ),
}


def engine_for(target: str, name: str | None = None) -> str:
    """The engine to run a target with: the one asked for, or the target's default.

    Raises:
        EngineError: no such engine, or one that cannot run this target.
    """
    able = [key for key, row in ENGINES.items() if target in row.targets]
    if not able:
        targets = ", ".join(dict.fromkeys(t for row in ENGINES.values() for t in row.targets))
        raise EngineError(f"no engine runs {target!r} graphs; targets are: {targets}")
    if name is None:
        return able[0]
    if name not in ENGINES:
        raise EngineError(f"unknown engine {name!r}; there are: {', '.join(ENGINES)}")
    if name not in able:
        raise EngineError(f"engine {name} cannot run {target} graphs; use {' or '.join(able)}")
    return name


def open_engine(
    name: str,
    file: Path,
    graph: Graph,
    options: EngineOptions | None = None,
    *,
    verify: Callable[[], object] | None = None,
) -> Engine:
    """Load one graph. A forked child that runs it opens it again, or raises EngineError.

    Args:
        name: a key of ``ENGINES``.
        file: the graph's file.
        graph: its declaration in the manifest.
        options: device, threads and arithmetic; by default the engine's own.
        verify: called before a forked child opens the file again; raises where it has changed.

    Raises:
        EngineError: the engine is not installed, the device is missing, or the file does not load.
    """
    row = ENGINES[name]
    module, _, attribute = row.where.partition(":")
    with importing(f"engine {name} is not installed", row.pip_line, EngineError):
        cls = getattr(importlib.import_module(module), attribute)
    options, file = options or EngineOptions(), file.absolute()  # a forked child may chdir

    def opened() -> Run:
        _stay_with_parent(name, options.device)
        engine: Engine = cls(file, graph, options)
        return engine.run

    return ProcessEngine(opened, verify)


_PROCESS: dict[str, int] = {}  # engines that cannot be used on both sides of a fork -> first user


def _stay_with_parent(name: str, device: str | None) -> None:
    """Refuse, in a forked child, an engine that its parent used and that cannot start again there.

    OpenVINO cannot: all models share the threads of oneTBB, and a child would wait for threads that
    only its parent has. Neither can the drivers of GPUs and of Core ML. ONNX Runtime and
    LiteRT on the processor can: each of their sessions has threads of its own.
    """
    kind = (device or "cpu").partition(":")[0].lower()
    if name in ("onnxruntime", "litert") and kind == "cpu":
        return
    driver = name if name in ("openvino", "coreml") else f"{name} on device {kind}"
    if _PROCESS.setdefault(driver, os.getpid()) != os.getpid():
        raise EngineError(
            f"engine {driver} was used before this process forked, and works on one side of a fork "
            "only: call edgematte.load in the workers and not before the fork, start workers by "
            "spawn, or take engine onnxruntime on the cpu, which is opened again in each worker"
        )
