"""Independent calls side by side against one after the other, in one run.

    python benchmarks/workers.py [--bundle FOLDER ...] [--size 1920x1080] [--threads 2] [--rounds 7]
    python benchmarks/workers.py --engine openvino --bundle vitmatte-s-openvino-fp32.edgematte

Each bundle mattes one picture in three ways, taken in turns (A B C A B C) with rests: `serial N`,
every call on all N threads, one after the other; `serial 1`, the same on one thread; `workers`, as
the runtime does it. Medians of milliseconds, and ratios of them to `workers`; of the stages only
the graphs that are called more than once for the picture. `MB` is what the workers' engines add to
the resident memory.

Simulated: the same picture on machines with more cores. The host makes the calls' inputs and
stitches, one after the other, as measured; every call takes what it takes on one thread here, and
does not slow the others, which memory and clocks of a real machine would do.
"""

import argparse
import heapq
import statistics
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgematte.arrays import Bytes
from edgematte.cli.arguments import parse_size
from edgematte.runtime import load as loading
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.engines.workers import Division
from edgematte.runtime.matter import Matter
from edgematte.testcard import testcard, testcard_trimap

REST_S = 0.1
CORES = (1, 2, 4, 8, 16)
Loaded = Mapping[str, Matter]


def main(arguments: argparse.Namespace) -> None:
    size = parse_size(arguments.size)
    picture, trimap = testcard(*size), testcard_trimap(*size)
    for path in arguments.bundle or [None]:
        matters, calls = opened(path, arguments.engine, arguments.threads)
        first = next(iter(matters.values()))
        given = trimap if first.variant.net.needs_trimap else None
        print(f"\n{first.bundle.path.name}, {first.engine}, {arguments.size}")
        print(f"workers add {added_mb(matters, picture, given):.0f} MB")
        found = measured(matters, picture, given, arguments.rounds)
        pictures = 3 * (arguments.rounds + 1) + 4
        count = {name: n // pictures for name, n in calls.items()}
        report(found, {name: n for name, n in count.items() if n > 1})


def opened(path: Path | None, engine: str | None, threads: int) -> tuple[Loaded, dict[str, int]]:
    """The three ways, and how often each graph was called in all of them."""
    matters: dict[str, Matter] = {}
    calls: dict[str, int] = {}
    division_of = loading.division_of

    class Counted(RunnableGraph):
        def _call(self, engine: Any, inputs: Any) -> Any:
            calls[self.graph.name] = calls.get(self.graph.name, 0) + 1
            return super()._call(engine, inputs)

    loading.RunnableGraph = Counted  # type: ignore[attr-defined]
    for name, number in ((f"serial {threads}", threads), ("serial 1", 1), ("workers", threads)):
        if name != "workers":
            loading.division_of = lambda *_: Division(1, 0)
        matters[name] = loading.load(path, engine=engine, threads=number)
        loading.division_of = division_of
    return matters, calls


def added_mb(matters: Loaded, picture: Bytes, trimap: Bytes | None) -> float:
    """Resident memory that the workers have and the serial way has not, in 1e6 bytes."""
    sizes = []
    for name in (next(iter(matters)), "workers"):
        before = resident()
        for _ in range(2):
            matters[name](picture, trimap)
        sizes.append(resident() - before)
    return (sizes[1] - sizes[0]) / 1e6


def resident() -> int:
    """Bytes, on Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measured(
    matters: Loaded, picture: Bytes, trimap: Bytes | None, rounds: int
) -> dict[str, dict[str, float]]:
    """Median milliseconds of every stage and of the whole, by way."""
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in matters}
    for _ in range(rounds + 1):
        for name, matter in matters.items():
            time.sleep(REST_S)  # threads of the last session may still spin
            start = time.perf_counter()
            timings = dict(matter(picture, trimap).timings)
            rows[name].append({**timings, "whole": time.perf_counter() - start})
    return {
        name: {k: 1000 * statistics.median(r[k] for r in runs[1:]) for k in runs[0]}
        for name, runs in rows.items()
    }


def report(found: Mapping[str, Mapping[str, float]], calls: Mapping[str, int]) -> None:
    base = found["workers"]
    stages = [f"graph.{name}" for name in calls if f"graph.{name}" in base]
    for stage in [*stages, "whole"]:
        count = calls.get(stage.partition(".")[2])
        label = stage if count is None else f"{stage}, {count} calls"
        times = ", ".join(f"{name} {stages[stage]:.0f} ms" for name, stages in found.items())
        ratios = ", ".join(
            f"{name} / workers {stages[stage] / base[stage]:.2f}"
            for name, stages in found.items()
            if name != "workers"
        )
        print(f"{label:<26} {times}   {ratios}")
    one = found["serial 1"]
    for stage in stages:
        count = calls[stage.partition(".")[2]]
        host = sum(one.get(f"host.{step}", 0) for step in ("crop", "stitch", "contexts", "gather"))
        call, made = one[stage] / count, host / sum(calls.values())
        sooner = {n: simulated(count, made, call, Division.of(n)) for n in CORES}
        shown = ", ".join(f"{n} cores {sooner[1] / t:.1f}x" for n, t in sooner.items())
        print(f"  simulated {stage} with the host's share of it: {shown}")


def simulated(count: int, host: float, call: float, division: Division) -> float:
    """Time of ``count`` calls and the host's work on each, in the unit of both; see above."""
    if division.workers == 1:
        return count * (host + call)
    free = [0.0] * division.workers  # when each worker is free
    now, waiting = 0.0, deque[float]()
    for _ in range(count):
        now += host
        start = max(now, heapq.heappop(free))
        heapq.heappush(free, start + call)
        waiting.append(start + call)
        if len(waiting) > division.workers:
            now = max(now, waiting.popleft())
    return max(now, *waiting)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, nargs="+", help="default: the shipped one")
    parser.add_argument("--engine")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    main(parser.parse_args())
