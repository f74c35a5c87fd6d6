"""Timing a bundle: median and 90th percentile of every stage, host steps and graphs apart."""

import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgematte.ranges import check_options
from edgematte.runtime.matter import Matter


@dataclass(frozen=True)
class Stage:
    """Milliseconds of one stage over all runs; ``whole`` is their sum in each run."""

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
    host_share: float  # of the median whole, in [0, 1]
    peak_rss_mb: float  # of the whole process so far
    batch: int  # pictures of a run
    pictures_per_s: float  # by the median of the wall clock, whatever stages leave out


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

    With ``batch`` a run is of so many pictures, and its stages are those of all of them.
    """
    check_options(runs=runs, warmups=warmups, batch=batch)
    timings, walls = [], []
    for _ in range(warmups + runs):
        start = time.perf_counter()
        if batch == 1:
            timings.append(matter(picture, trimap).timings)
        else:
            mattes = matter.many([picture] * batch, [trimap] * batch)
            timings.append({k: batch * v for k, v in mattes[0].timings.items()})
        walls.append(time.perf_counter() - start)
    timings = timings[warmups:]
    names = list(timings[0])
    table = np.array([[1000 * t[name] for name in names] for t in timings])
    is_host = np.array([name.startswith("host.") for name in names])
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
    share = float(np.median(parts["all host steps"]) / np.median(parts["whole"]))
    rate = batch / float(np.median(walls[warmups:]))
    size = f"{picture.shape[1]}x{picture.shape[0]}"
    return Bench(matter.engine, size, runs, stages, share, peak_rss_mb(), batch, rate)


def peak_rss_mb() -> float:
    """Largest resident size of this process so far, in MiB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
