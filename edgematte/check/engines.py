"""Which engines a check runs a target on, and which of them decide."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgematte.errors import EngineError, OptionError
from edgematte.extras import importing
from edgematte.manifest import Graph, Manifest
from edgematte.runtime.engines import Engine, EngineOptions, engine_for, open_engine

Opener = Callable[[Path, Graph], Engine]


@dataclass(frozen=True)
class CheckEngine:
    """A named way to run graphs; ``decides`` says whether its differences can fail the check."""

    label: str
    open: Opener
    decides: bool = True


def check_engines(
    manifest: Manifest, engine: str | None = None, runner: str | None = None
) -> list[CheckEngine]:
    """The engines for a bundle: the one asked for, the runner, or the target's own.

    OpenVINO is checked with the f32 hint, and what the shipped hint costs is reported beside it.
    Core ML is Core ML on macOS; elsewhere its program is evaluated op by op, in fp32 arithmetic
    and, for fp16 programs, in fp16 arithmetic as a stand-in for the Neural Engine.
    """
    if runner is not None:
        if engine is not None:
            raise OptionError("--engine and --runner exclude each other")
        return [CheckEngine("runner", lambda file, graph: _runner(file, graph, runner))]
    if engine == "mil" or (engine is None and manifest.target == "coreml" and not _mac()):
        return _mil(manifest)
    name = engine_for(manifest.target, engine)
    engines = [CheckEngine(_label(name), _opener(name, precise=True))]
    if name == "openvino":
        shipped = _opener(name, precise=False)
        engines.append(CheckEngine("openvino, shipped hint", shipped, decides=False))
    return engines


def _label(name: str) -> str:
    return "openvino, f32 hint" if name == "openvino" else name


def _mac() -> bool:
    return sys.platform == "darwin"


def _opener(name: str, precise: bool) -> Opener:
    return lambda file, graph: open_engine(name, file, graph, EngineOptions(precise=precise))


def _runner(file: Path, graph: Graph, command: str) -> Engine:
    from edgematte.runtime.engines.runner import RunnerEngine

    return RunnerEngine(file, graph, command=command)


def _mil(manifest: Manifest) -> list[CheckEngine]:
    if manifest.target != "coreml":
        raise EngineError(f"engine mil evaluates coreml bundles; this one is {manifest.target}")
    pip_line = 'pip install "edgematte[coreml]"'
    with importing("evaluating Core ML needs coremltools", pip_line, EngineError):
        from edgematte.export.mil.engine import MilEngine

    def opener(arithmetic: Literal["fp32", "fp16"]) -> Opener:
        return lambda file, graph: MilEngine(file, graph, arithmetic=arithmetic)

    engines = [CheckEngine("MIL evaluator, fp32 arithmetic", opener("fp32"))]
    if manifest.precision != "fp32":
        engines.append(CheckEngine("MIL evaluator, fp16 arithmetic", opener("fp16")))
    return engines
