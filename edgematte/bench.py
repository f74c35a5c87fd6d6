"""Timing a bundle: median and 90th percentile of every stage, host steps and graphs separately."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgematte.ranges import check_options
from edgematte.runtime.matter import Matter


@dataclass(frozen=True)
class Stage:
    """Milliseconds of one stage over all runs; the stage ``whole`` is the sum of each run.

    A run without the stage counts as 0: a limit of time may leave none for it.
    """

    name: str
    median_ms: float
    p90_ms: float


@dataclass(frozen=True)
class Bench:
    """What :func:`bench` measured."""

    engine: str
    picture: str
    runs: int
    stages: tuple[Stage, ...]
    host_share: float  # share of host steps in the median ``whole``, in [0, 1]
    peak_rss_mb: float | None  # of the whole process so far; None where the system does not say
    batch: int  # pictures in a run
    pictures_per_s: float  # from the median wall-clock time, which has more than the stages
    workers: int  # calls that run side by side where they do not depend on each other
    worker_threads: int  # of each of them; 0: the engine's own, or a server's


def bench(
    matter: Matter,
    picture: NDArray[np.uint8],
    runs: int,
    warmups: int = 2,
    *,
    trimap: NDArray[np.uint8] | None = None,
    batch: int = 1,
) -> Bench:
    """Run a matter on one picture (and its trimap) ``runs`` times after ``warmups``.

    With ``batch`` each run mattes so many pictures at once, and its stages are those of all of
    them.

    Raises:
        OptionError: no runs, no pictures a run, or fewer than no warm-ups.
    """
    check_options(runs=runs, warmups=warmups, batch=batch)
    timings: list[Mapping[str, float]] = []
    walls = []
    for _ in range(warmups + runs):
        start = time.perf_counter()
        if batch == 1:
            timings.append(matter(picture, trimap).timings)
        else:
            together: Counter[str] = Counter()
            for matte in matter.many([picture] * batch, [trimap] * batch):
                together.update(matte.timings)
            timings.append(together)
        walls.append(time.perf_counter() - start)
    timings = timings[warmups:]
    names = stage_names(timings)
    table = np.array([[1000 * t.get(name, 0.0) for name in names] for t in timings])
    is_host = np.array([name.startswith("host.") for name in names], np.bool_)
    parts = {
        "all host steps": table[:, is_host].sum(axis=1),
        "all graphs": table[:, ~is_host].sum(axis=1),
        "whole": table.sum(axis=1),
    }
    columns = dict(zip(names, table.T, strict=True)) | parts
    stages = tuple(
        Stage(name, float(np.median(values)), float(np.percentile(values, 90)))
        for name, values in columns.items()
    )
    whole = float(np.median(parts["whole"]))  # 0 where no pixel is unknown and no stage runs
    share = float(np.median(parts["all host steps"])) / whole if whole else 0.0
    rate = batch / float(np.median(walls[warmups:]))
    size = f"{picture.shape[1]}x{picture.shape[0]}"
    each = matter.division
    return Bench(
        engine=matter.engine,
        picture=size,
        runs=runs,
        stages=stages,
        host_share=share,
        peak_rss_mb=peak_rss_mb(),
        batch=batch,
        pictures_per_s=rate,
        workers=each.workers,
        worker_threads=each.threads,
    )


def stage_names(timings: Sequence[Mapping[str, float]]) -> list[str]:
    """The stages of all runs, in the order of the run with the most stages."""
    fullest = max(timings, key=len)
    return list(dict.fromkeys(name for run in (fullest, *timings) for name in run))


def peak_rss_mb() -> float | None:
    """Largest resident size of this process so far, in MiB; None where Python has no way to ask."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
