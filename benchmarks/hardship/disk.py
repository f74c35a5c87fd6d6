"""Every command that writes, on a disk that is full: no file may become larger than so many bytes.

(The limit is RLIMIT_FSIZE: a write beyond it fails as one on a full disk does, whoever writes.)
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from hardship.forge import Forge
from hardship.works import HELD, WORKS, half_written, prepare, scratch, visible


def report(works: Sequence[str], count: int, first: int, folder: Path) -> int:
    """Print a row for each work, with `count` sizes; returns the number of faults."""
    given = folder / "given"
    prepare(given)
    print("| work | runs on a full disk | refused in a sentence | something half-written |")
    print("|---|---|---|---|")
    return sum(_filled(name, count, given, folder) for name in works)


def _filled(name: str, count: int, given: Path, folder: Path) -> int:
    work, out = WORKS[name], folder / "out"
    runs = told = halves = 0
    with Forge(work.modules) as forge:
        _empty(out)
        argv = work.argv(given, out)
        whole = forge.run(argv)
        if whole.code or half_written(out):
            raise RuntimeError(f"{name} fails on a disk with room: {whole.said[-500:]}")
        former = visible(out)
        written = [out / n for n in former if n.endswith(work.written) and (out / n).is_file()]
        for limit in _limits([file.stat().st_size for file in written], count):
            for there in (False, True) if work.again else (False,):
                if not there:
                    _empty(out)
                    argv = work.argv(given, out)
                elif visible(out) != former:
                    _empty(out)
                    forge.run(argv)
                began = visible(out)
                ended = forge.run(argv, file_size=limit)
                runs += 1
                said = ended.said.strip()
                sentence = ended.code in (1, 2) and "Traceback" not in said and "edgematte" in said
                told += sentence
                left = scratch(out) - {HELD}
                faults = [*half_written(out), *left, *(began - visible(out))]
                halves += bool(faults)
                if not sentence:
                    faults.append(f"code {ended.code}: {said[-600:]}")
                for fault in faults:
                    print(f"  {name}, {limit} bytes, {there}: {fault}", file=sys.stderr, flush=True)
    print(f"| {name} | {runs} | {told} | {halves} |", flush=True)
    return runs - told + halves


def _empty(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()


def _limits(sizes: Sequence[int], count: int) -> list[int]:
    """So many numbers of bytes, at which some file of a result does not fit any more."""
    ordered = sorted(set(sizes))
    spread = ordered[:: -(-len(ordered) // max(1, count - 3))]
    return sorted({0, 1, *(9 * size // 10 for size in (ordered[-1], *spread))})[-count:]
