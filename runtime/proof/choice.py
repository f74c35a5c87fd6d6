"""Choosing an engine: the fastest of those here that are inside the tolerance of the bundle."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edgematte.errors import EngineError, ToleranceError
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines import AUTO, ENGINES, Engine, EngineOptions, open_engine
from edgematte.runtime.proof import verdicts
from edgematte.runtime.proof.candidates import Candidate, candidates
from edgematte.runtime.proof.trial import (
    FAILED,
    SLOWER,
    TAKEN,
    WRONG,
    Records,
    Trial,
    records_of,
    tried,
)

log = logging.getLogger(__name__)

SettingsFor = Callable[[str, str], EngineOptions]
"""An engine and a device of it -> how its graphs are opened."""


@dataclass(frozen=True)
class EngineChoice:
    """Which engine runs a bundle, and why.

    `trials`: of all others that run such bundles. `remembered`: whether the verdicts were found in
    the cache; the figures are those of the run that was kept.
    """

    taken: Trial
    trials: tuple[Trial, ...] = ()
    remembered: bool = False

    def lines(self) -> list[str]:
        """For people: the engine that was taken, then why each other one was not."""
        return [str(trial) for trial in (self.taken, *self.trials)]


@dataclass(frozen=True)
class Chosen:
    """A choice with its graphs opened, by name; none are where the verdict was remembered."""

    choice: EngineChoice
    engines: Mapping[str, Engine]


def choose(
    bundle: Bundle,
    settings_for: SettingsFor,
    question: str,
    *,
    threads: bool = False,
    fresh: bool = False,
) -> Chosen:
    """The fastest engine and device whose golden calls are inside the tolerance.

    Args:
        bundle: the bundle, opened and verified.
        settings_for: how the graphs are opened on an engine and a device.
        question: everything asked for that the verdict depends on, beside the bundle.
        threads: whether a number of threads was asked for.
        fresh: prove anew, whatever is remembered.

    Raises:
        ToleranceError: no engine is inside, with the figures of each.
        EngineError: none is here, or none runs; why, for each.
        BundleError: a golden record cannot be read, or the precision is unknown.
    """
    target = bundle.manifest.target
    names = [name for name, row in ENGINES.items() if target in row.targets]
    key = verdicts.key(bundle, names, f"{AUTO} {question}")
    known = None if fresh else verdicts.recall(key, EngineChoice)
    if known is not None and known.taken.engine in names:
        return Chosen(replace(known, remembered=True), {})
    able, out = candidates(target, threads=threads)
    records = records_of(bundle)
    best: tuple[Trial, Mapping[str, Engine]] | None = None
    for candidate in able:
        settings = settings_for(candidate.engine, candidate.device)
        trial, engines = _attempt(bundle, candidate, settings, records, timed=len(able) > 1)
        if trial.right and (best is None or _seconds(trial) < _seconds(best[0])):
            out += [best[0]] if best else []
            best = trial, engines
        else:
            out.append(trial)
    if best is None:
        raise _none(bundle, out)
    choice = EngineChoice(replace(best[0], verdict=TAKEN), tuple(_told(t, best[0]) for t in out))
    verdicts.keep(key, choice)
    return Chosen(choice, best[1])


def confirm(bundle: Bundle, engine: str, settings: EngineOptions) -> Chosen:
    """The same proof for one engine that was asked for, opened with ``settings``.

    What a server computes may have changed since the last time: it is proven each time.

    Raises:
        ToleranceError: it is outside the tolerance, with figures.
        EngineError: it is not here, or a graph failed.
        BundleError: a golden record cannot be read, or the precision is unknown.
    """
    key = None if ENGINES[engine].remote else verdicts.key(bundle, [engine], repr(settings))
    known = None if key is None else verdicts.recall(key, EngineChoice)
    if known is not None:
        return Chosen(replace(known, remembered=True), {})
    engines, device = _opened(bundle, engine, settings), settings.device or "cpu"
    records = records_of(bundle)
    trial = tried(engine, device, bundle.manifest, engines, records, timed=False)
    if not trial.right:
        raise ToleranceError(
            f"engine {engine} on {device} is wrong on this machine: {trial.reason}; engine "
            f"{AUTO} opens each one in the file's own precision, and takes one that is right"
        )
    choice = EngineChoice(replace(trial, verdict=TAKEN))
    if key is not None:
        verdicts.keep(key, choice)
    return Chosen(choice, engines)


def _attempt(
    bundle: Bundle, candidate: Candidate, settings: EngineOptions, records: Records, *, timed: bool
) -> tuple[Trial, Mapping[str, Engine]]:
    engine, device = candidate.engine, candidate.device
    try:
        engines = _opened(bundle, engine, settings)
        trial = tried(engine, device, bundle.manifest, engines, records, timed=timed)
    except EngineError as error:
        return Trial(engine, device, FAILED, str(error)), {}
    log.debug("%s: tried %s on %s: %s", bundle.shown, engine, device, trial.reason)
    return trial, engines


def _opened(bundle: Bundle, engine: str, settings: EngineOptions) -> dict[str, Engine]:
    """All graphs on an engine."""
    verify = replace(bundle, path=bundle.path.absolute()).verify
    return {
        graph.name: open_engine(engine, bundle.file(graph), graph, settings, verify=verify)
        for graph in bundle.manifest.graphs
    }


def _seconds(trial: Trial) -> float:
    assert trial.seconds is not None
    return trial.seconds


def _told(trial: Trial, taken: Trial) -> Trial:
    """A trial with the reason why another was taken."""
    if trial.verdict != SLOWER:
        return trial
    times = _seconds(trial) / max(_seconds(taken), 1e-9)
    return replace(trial, reason=f"{trial.reason}, {times:.2f} times as long")


def _none(bundle: Bundle, trials: list[Trial]) -> EngineError | ToleranceError:
    told = "; ".join(str(trial) for trial in trials)
    kind = ToleranceError if any(t.verdict == WRONG for t in trials) else EngineError
    return kind(f"no engine here runs {bundle.shown.name} within its tolerance: {told}")
