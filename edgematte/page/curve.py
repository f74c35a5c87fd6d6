"""Quality against time, for nets that give a matte in less time than they would take.

Those that work in steps have a matte after each; those that take a limit of time refine as much as
it is enough for. The error is that of alpha in the unknown region, against the recorded alpha.
"""

import time
from dataclasses import dataclass

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.net import load_part
from edgematte.options import declared
from edgematte.runtime.capabilities import Limited, Stepwise, able
from edgematte.runtime.host.trimap import UNKNOWN
from edgematte.runtime.matter import Matter

SHARES = (0.25, 0.5, 0.75, 1.0, 1.5)
"""Limits, as shares of the time that a matte takes without one."""


@dataclass(frozen=True)
class Point:
    """A matte that took `ms` milliseconds, and its mean error in the unknown region."""

    name: str
    ms: float
    error: float


def curve(
    matter: Matter, picture: Bytes, given: Bytes | None, alpha: Floats, trimap: Bytes
) -> tuple[Point, ...]:
    """Mattes of a picture in more and more time; none for nets that take their time.

    Args:
        matter: warmed up.
        picture: uint8 (H, W, 3).
        given: uint8 (H, W), for nets that are given their trimap.
        alpha: float32 (H, W), what the errors are measured against.
        trimap: uint8 (H, W), of which the unknown region counts.
    """
    unknown = trimap == UNKNOWN

    def error(found: Floats) -> float:
        return float(np.abs(found - alpha)[unknown].mean()) if unknown.any() else 0.0

    start = time.perf_counter()
    if able(matter.pipeline, Stepwise) is not None:
        steps = enumerate(matter.refine(picture, given), 1)
        return tuple(
            Point(f"step {number}", 1000 * (time.perf_counter() - start), error(matte.alpha))
            for number, matte in steps
        )
    limit = _limit_of(matter)
    if able(matter.pipeline, Limited) is None or not limit:
        return ()
    matter(picture, given)
    whole = 1000 * (time.perf_counter() - start)
    points = []
    for share in SHARES:
        matter.limit(**{limit: share * whole})
        start = time.perf_counter()
        found = matter(picture, given).alpha
        took = 1000 * (time.perf_counter() - start)
        points.append(Point(f"limit {share * whole:.0f} ms", took, error(found)))
    matter.limit()
    return tuple(points)


def _limit_of(matter: Matter) -> str:
    """The name of the net's load option that is a time; empty if it has none."""
    where = matter.variant.net.options
    rows = declared(load_part(where)) if where else ()
    units = {row.name: row.range.unit for row in rows if row.range is not None}
    return next((name for name, unit in units.items() if unit == "milliseconds"), "")
