"""Thousands of mutants, by workers that are watched: a death or a hang is a fault, like any error
that is not edgematte's own and any write outside of the worker's folder."""

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hardship.uses import KINDS, made
from hardship.worker import FAULT

HANG_S = 5.0  # of processor time, on one mutant
STUCK_S = 60.0  # of the clock: a worker that waits for nothing uses no processor
START_S = 1500.0  # seeds are exported first
ROOT = Path(__file__).parents[2]


@dataclass
class Tally:
    """What became of the mutants of a kind."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str]] = field(default_factory=list)
    slowest_s: float = 0.0

    def add(self, number: int, what: str, why: str, spent_s: float) -> None:
        """Count one."""
        self.counts[what] += 1
        self.slowest_s = max(self.slowest_s, spent_s)
        if what == FAULT:
            self.faults.append((number, why))


def shares(kinds: Sequence[str], count: int) -> dict[str, int]:
    """How many mutants of each kind make `count` in all; at least one of each."""
    whole = sum(KINDS[name].share for name in kinds)
    return {name: max(1, round(count * KINDS[name].share / whole)) for name in kinds}


def run(name: str, first: int, end: int, folder: Path) -> Tally:
    """Use the mutants of a kind; a worker that dies or hangs is started again behind its mutant."""
    tally, number = Tally(), first
    while number < end:
        number = _watched(name, number, end, folder, tally)
    strays = [p.name for n in ("home", "here") for p in (folder / n).iterdir()]
    if strays:
        tally.add(end, FAULT, f"files that nobody asked for: {', '.join(strays[:5])}", 0.0)
    return tally


def _watched(name: str, first: int, end: int, folder: Path, tally: Tally) -> int:
    """The number behind the last mutant that was used."""
    for part in ("home", "here", "temporary", "cache"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "HOME": str(folder / "home"),
        "EDGEMATTE_CACHE": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT), *_given()]),
        "OMP_NUM_THREADS": "1",
    }
    arguments = [name, str(folder), str(first), str(end), "1"]
    with (
        (folder / "stderr").open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "hardship.worker", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder / "here",
            env=environment,
        ) as process,
    ):
        begun: int | None = None
        for line in _lines(process):
            if line is None:
                process.kill()
                if begun is None:
                    raise RuntimeError(f"the worker for {name} does not start")
                tally.add(begun, FAULT, "hangs", HANG_S)
                return begun + 1
            said = json.loads(line)
            if "begin" in said:
                begun = said["begin"]
            else:
                tally.add(said["end"], said["what"], said["why"], said["s"])
                begun, first = None, said["end"] + 1
        process.wait()
        if begun is not None:
            tally.add(begun, FAULT, f"the process died ({process.returncode})", 0.0)
            return begun + 1
    if process.returncode:
        last = (folder / "stderr").read_text(errors="replace").strip().splitlines()[-3:]
        raise RuntimeError(f"the worker for {name} failed: {' / '.join(last)}")
    return end


def _given() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[bytes | None]:
    """Lines as they come; None where the worker hangs."""
    assert process.stdout is not None
    handle, kept = process.stdout.fileno(), b""
    since, used, began = time.monotonic(), _processor_s(process.pid), False
    while True:
        ready, _, _ = select.select([handle], [], [], 0.5)
        if ready:
            got = os.read(handle, 65536)
            if not got:
                return
            kept += got
            *whole, kept = kept.split(b"\n")
            yield from whole
            since, used, began = time.monotonic(), _processor_s(process.pid), True
            continue
        waited, spent = time.monotonic() - since, _processor_s(process.pid) - used
        if waited > (STUCK_S if began else START_S) or (began and spent > HANG_S):
            yield None


def _processor_s(number: int) -> float:
    """Seconds of processor time that a process has had; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def report(kinds: Sequence[str], count: int, first: int, folder: Path, keep: Path) -> int:
    """Print a table, and keep the files of faults; returns the number of faults."""
    print("| kind | mutants | accepted | refused | faults | slowest, s |")
    print("|---|---|---|---|---|---|")
    total, worst = Counter[str](), 0.0
    for name, number in shares(kinds, count).items():
        place = folder / name
        tally = run(name, first, first + number, place)
        total += tally.counts
        worst = max(worst, tally.slowest_s)
        print(_row(name, tally.counts, tally.slowest_s), flush=True)
        whole: dict[str, Sequence[bytes]] = {}
        for which, why in tally.faults:
            keep.mkdir(parents=True, exist_ok=True)
            file = keep / f"{name}-{which}{KINDS[name].ending}"
            file.write_bytes(made(name, which, folder / "kept", whole))
            print(f"  {file}: {why}", file=sys.stderr, flush=True)
    print(_row("all", total, worst))
    return total[FAULT]


def _row(name: str, counts: Counter[str], slowest_s: float) -> str:
    parts = (counts["accepted"], counts["refused"], counts[FAULT])
    shown = " | ".join(str(part) for part in (sum(parts), *parts))
    return f"| {name} | {shown} | {slowest_s:.2f} |"
