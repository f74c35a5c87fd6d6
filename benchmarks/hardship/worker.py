"""A process that uses mutants one after the other, and says what became of each.

It writes JSON lines to the descriptor that it started with as standard output: {"begin": N}, then
{"end": N, "what": ...}. Who started it watches for a line that does not come.
"""

import contextlib
import json
import logging
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from edgematte.errors import EdgematteError
from hardship.guard import Guard
from hardship.uses import KINDS, Place, made

ACCEPTED, REFUSED, FAULT = "accepted", "refused", "fault"
MOST_MEMORY = 16 << 30  # of addresses, so that a mutant cannot take the whole machine


def main() -> None:
    """Arguments: the kind, the folder to work in, then the numbers from, to, and the step."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    first, end, step = map(int, sys.argv[3:6])
    line = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    logging.disable()
    tempfile.tempdir = str(folder / "temporary")
    kind, place, whole = KINDS[name], Place(folder), dict[str, Any]()
    _limit()
    file = folder / f"mutant{kind.ending}"
    for number, seed in enumerate(kind.seeds(place.kept)):
        file.write_bytes(seed)
        place.fresh()
        what, why = _used(name, file, number, place)
        if what == FAULT or (what == REFUSED and number == 0):  # others may be of a refused form
            raise SystemExit(f"a whole file was {what}: {why}")
    guard = Guard(folder)
    for number in range(first, end, step):
        file.write_bytes(made(name, number, place.kept, whole))
        place.fresh()
        guard.seen.clear()
        print(json.dumps({"begin": number}), file=line)
        start = time.process_time()
        what, why = _used(name, file, number, place)
        spent = time.process_time() - start
        if guard.seen:
            what, why = FAULT, f"outside of its folder: {guard.seen[0]}"
        print(json.dumps({"end": number, "what": what, "why": why, "s": spent}), file=line)


def _used(name: str, file: Path, number: int, place: Place) -> tuple[str, str]:
    try:
        with contextlib.suppress(SystemExit):
            KINDS[name].use(file, number, place)
        return ACCEPTED, ""
    except EdgematteError as error:
        said = str(error)
        if not said or "Traceback" in said:
            return FAULT, f"{type(error).__name__} says {said[:100]!r}"
        return REFUSED, said[:300]
    except BaseException as error:
        return FAULT, f"{type(error).__name__}: {str(error)[:200]} ({_place_of(error)})"


def _place_of(error: BaseException) -> str:
    """The last line of the project, and the last one of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and "hardship" not in f.filename]
    ends = [*own[-1:], *frames[-1:]]
    return ", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in ends)


def _limit() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
