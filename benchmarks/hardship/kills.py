"""Commands that are killed (SIGKILL) at random moments, and then run again."""

import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from hardship.forge import Forge
from hardship.works import WORKS, half_written, prepare, scratch, visible

KILLED = ("export", "folder", "clip", "training")


def report(works: Sequence[str], count: int, first: int, folder: Path) -> int:
    """Print a row for each work; returns the number of faults."""
    given = folder / "given"
    prepare(given)
    chosen = KILLED if set(works) == set(WORKS) else works
    print("| work | takes, s | moments | ended before | scratch | half-written | not done again |")
    print("|---|---|---|---|---|---|---|")
    return sum(_killed(name, count, first, given, folder) for name in chosen)


def _killed(name: str, count: int, first: int, given: Path, folder: Path) -> int:
    work, out = WORKS[name], folder / "out"
    before = scratched = halves = undone = 0
    with Forge(work.modules) as forge:
        for warm in (True, False):  # the first run fills the cache
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            whole = forge.run(work.argv(given, out))
            if whole.code or half_written(out):
                raise RuntimeError(f"{name} fails without a kill: {whole.said[-500:]}, {warm}")
        wanted = visible(out)
        for number in range(first, first + count):
            if number % 2 == 0 or not work.again:  # else former results are replaced
                shutil.rmtree(out)
                out.mkdir()
            moment = random.Random(f"{name} {number}").uniform(0, whole.seconds)
            ended = forge.run(work.argv(given, out), kill_after_s=moment)
            before += ended.code != -9
            scratched += bool(scratch(out))
            faults = half_written(out)
            halves += bool(faults)
            again = forge.run(work.argv(given, out))
            left = [*half_written(out), *scratch(out), *(wanted - visible(out))]
            undone += bool(again.code or left)
            for fault in (*faults, *left, *([again.said[-300:]] if again.code else [])):
                print(f"  {name} {number}, {moment:.2f} s: {fault}", file=sys.stderr, flush=True)
    counts = " | ".join(map(str, (count, before, scratched, halves, undone)))
    print(f"| {name} | {whole.seconds:.1f} | {counts} |", flush=True)
    return halves + undone
