"""Which engines a check runs a target on, and which of them can fail it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgematte.errors import EngineError, OptionError
from edgematte.extras import importing
from edgematte.manifest import Graph, Manifest
from edgematte.net import load_part
from edgematte.runtime.engines import ENGINES, Engine, EngineOptions, engine_for, open_engine
from edgematte.targets import TARGETS, Evaluator

Opener = Callable[[Path, Graph], Engine]


@dataclass(frozen=True)
class CheckEngine:
    """A named way to run graphs.

    ``decides`` says whether its differences can fail the check; ``remote`` that a server runs the
    graphs that it has, and no other file can be run in their place.
    """

    label: str
    open: Opener
    decides: bool = True
    remote: bool = False


def check_engines(
    manifest: Manifest,
    engine: str | None = None,
    runner: str | None = None,
    device: str | None = None,
    runner_serve: bool = False,
) -> list[CheckEngine]:
    """The engines for a bundle: the one asked for, the runner, or the target's own.

    A ``device`` is of the engine that was asked for, or of the target's default; it is named in the
    label. An engine that by default computes in lower precision than the file says is checked in
    precise arithmetic, and the error of the default arithmetic is reported beside it. A target
    whose engine is for another platform is checked by an evaluator. A target whose devices compute
    otherwise than this system is checked in their arithmetic, too.

    Raises:
        OptionError: an engine or a device were given with a runner, a way to run one without it,
            or a device with an evaluator, which has none.
        EngineError: the engine is not installed, or does not run this target.
    """
    if runner is not None:
        if engine is not None:
            raise OptionError("an engine and a runner exclude each other")
        if device is not None:
            raise OptionError("device has no meaning for a runner: tell your command instead")
        return [CheckEngine("runner", _runner(runner, serve=runner_serve))]
    if runner_serve:
        raise OptionError("runner_serve says how a runner is run: give the runner too")
    stand_ins = {t.evaluator.name: t for t in TARGETS.values() if t.evaluator is not None}
    if engine in stand_ins and stand_ins[engine].name != manifest.target:
        raise EngineError(
            f"engine {engine} evaluates {stand_ins[engine].name} bundles; this one is "
            f"{manifest.target}"
        )
    own = TARGETS[manifest.target].evaluator if manifest.target in TARGETS else None
    if own is not None and (engine == own.name or (engine is None and sys.platform != own.native)):
        if device is not None:
            raise OptionError(f"device has no meaning for engine {own.name}: leave it out")
        return _evaluated(own, manifest)
    name = engine_for(manifest.target, engine)
    hint = ENGINES[name].hint
    where = f"{name} on {device}" if device else name
    label = f"{where}, {hint}" if hint else where
    opener = _opener(name, EngineOptions(device, precise=True))
    engines = [CheckEngine(label, opener, remote=ENGINES[name].remote)]
    if hint and not all(graph.precise for graph in manifest.graphs):
        shipped = _opener(name, EngineOptions(device))
        engines.append(CheckEngine(f"{where}, shipped hint", shipped, decides=False))
    if manifest.target in TARGETS and (where := TARGETS[manifest.target].on_device):
        row = ENGINES[name]
        with importing(f"engine {name} is not installed", row.pip_line, EngineError):
            find_engines = load_part(where)
        engines += find_engines(manifest)
    return engines


def _opener(name: str, options: EngineOptions) -> Opener:
    return lambda file, graph: open_engine(name, file, graph, options)


def _runner(command: str, serve: bool) -> Opener:
    from edgematte.runtime.engines.runner import RunnerEngine
    from edgematte.runtime.engines.runner_process import (
        TIMEOUT_S,
        OneCommandPerJob,
        RunnerCommand,
        ServingCommand,
    )

    kind = ServingCommand if serve else OneCommandPerJob
    shared: RunnerCommand = kind(command, TIMEOUT_S)
    return lambda file, graph: RunnerEngine(file, graph, command=shared)


def _evaluated(evaluator: Evaluator, manifest: Manifest) -> list[CheckEngine]:
    sentence = f"evaluating {manifest.target} needs a package that is not installed"
    with importing(sentence, f'pip install "edgematte[{evaluator.extra}]"', EngineError):
        find_engines = load_part(evaluator.where)
    engines: list[CheckEngine] = find_engines(manifest)
    return engines
