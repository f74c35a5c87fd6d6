"""Which engines and devices there are here for a target, and which there are not."""

import importlib
from dataclasses import dataclass

from edgematte.errors import EngineError
from edgematte.extras import importing
from edgematte.runtime.engines import ENGINES, EngineRow, engine_for
from edgematte.runtime.proof.trial import MISSING, UNTRIED, Trial

UNASKED = "it is used only where it is asked for by name"


@dataclass(frozen=True)
class Candidate:
    """An engine on one of its devices."""

    engine: str
    device: str


def candidates(target: str, *, threads: bool) -> tuple[list[Candidate], list[Trial]]:
    """What can be tried, the target's default first, and verdicts on what cannot.

    Args:
        target: of the bundle.
        threads: whether a number of threads was asked for, which some engines do not take.

    Raises:
        EngineError: no engine runs the target at all.
    """
    engine_for(target)
    able: list[Candidate] = []
    out: list[Trial] = []
    for name, row in ENGINES.items():
        if target not in row.targets:
            continue
        try:
            found = devices_of(name, row)
        except EngineError as error:
            out.append(Trial(name, "-", MISSING, str(error)))
            continue
        for device, why in found.items():
            if threads and not row.threads:
                why = why or "a number of threads has no meaning for it"
            if why:
                out.append(Trial(name, device, UNTRIED, why))
            else:
                able.append(Candidate(name, device))
    return able, out


def devices_of(name: str, row: EngineRow) -> dict[str, str]:
    """The devices that an engine has here, each with why it is not tried unasked; empty: it is.

    Raises:
        EngineError: the engine is not installed, or not for this system.
    """
    module = row.where.partition(":")[0]
    with importing(f"engine {name} is not installed", row.pip_line, EngineError):
        told = getattr(importlib.import_module(module), "devices", None)
        found: dict[str, str] = {"-": UNASKED} if told is None else told()
    return found
