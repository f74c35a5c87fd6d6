"""Host steps as declarations: what each reads and gives, and how its arrays are recorded.

Golden records, the check and the table in docs/bundle.md are made from the declarations. A step is
a pure function of the host section and named arrays, so that a port of the host side can prove
itself one step at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.runtime.host.made import Made, blended, row_of

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Array:
    """A named array that host steps read or give.

    Args:
        name: its name in the pool of records.
        shape: for the documentation: ``(H, W, 3)``.
        dtype: for the documentation; empty for float32.
        every: a step for each axis: only every so manieth entry is recorded. Axes without a number
            are recorded whole.
        unit: whether values in [0, 1] are recorded as bytes (value * 255).
        note: a remark for the documentation.
        made: makes it up for records where no step gives it, from the arrays that there are.
        fixed: bytes of a picture that was resized in Pillow's fixed-point arithmetic: a port whose
            arithmetic is another may round some of them to the next byte.
    """

    name: str
    shape: str = ""
    dtype: str = ""
    every: tuple[int, ...] = ()
    unit: bool = False
    note: str = ""
    made: Made | None = None
    fixed: bool = False

    def sampled(self, value: NDArray[Any]) -> NDArray[Any]:
        """The part of a whole array that is recorded."""
        return value[tuple(slice(None, None, step) for step in self.every)]

    def taken(self, recorded: NDArray[Any]) -> NDArray[Any]:
        """A recorded array in the form that the step takes or gives."""
        if self.unit and recorded.dtype == np.uint8:
            return recorded.astype(np.float32) / np.float32(255)
        return recorded


@dataclass(frozen=True)
class HostStep:
    """One step of the host side.

    Args:
        name: of the step.
        run: called with the host section and the arrays it reads, by name; gives arrays by name.
        reads: the arrays it takes.
        gives: the arrays it makes.
        when: whether a host section has the step; by default all sections of its cut do.
        where: the same for people: ``with contexts``.
        absent: those of ``reads`` that there are none of where the caller gives the trimap; the
            step is then called with None.
    """

    name: str
    run: Callable[..., Arrays]
    reads: tuple[Array, ...]
    gives: tuple[Array, ...]
    when: Callable[[Any], bool] | None = None
    where: str = ""
    absent: tuple[str, ...] = ()

    @property
    def stored(self) -> dict[str, Array]:
        """How each array it touches is recorded, by name."""
        return {array.name: array for array in (*self.reads, *self.gives)}

    def __call__(self, host: Any, pool: Mapping[str, NDArray[Any]]) -> Arrays:
        """Run the step on arrays of a pool of records."""
        given: dict[str, Any] = dict.fromkeys(self.absent)
        for array in self.reads:
            if array.name in pool or array.name not in self.absent:
                given[array.name] = array.taken(pool[array.name])
        return self.run(host, **given)

    def can_run(self, pool: Mapping[str, NDArray[Any]]) -> bool:
        """Whether a pool has the arrays it reads, or they are made up."""
        return all(
            a.name in pool or a.made is not None or a.name in self.absent for a in self.reads
        )


Steps = Mapping[str, tuple[HostStep, ...]]
"""The steps of a net's cuts, by kind."""


def steps_of(steps: Steps, host: Any) -> tuple[HostStep, ...]:
    """The steps that a host section has."""
    return tuple(step for step in steps[host.cut] if step.when is None or step.when(host))


def run_steps(
    steps: Iterable[HostStep], host: Any, pool: Arrays
) -> Iterator[tuple[HostStep, Arrays]]:
    """Run host steps one after the other; gives each with its results.

    ``pool`` starts with the arrays that graphs and callers give. What is made up is added to it,
    and what steps give, unless it is there already.
    """
    for step in steps:
        for array in step.reads:
            if array.name not in pool and array.made is not None:
                pool[array.name] = array.made(pool)
        results = step(host, pool)
        pool |= {name: value for name, value in results.items() if name not in pool}
        yield step, results


def recorded(steps: Iterable[HostStep], host: Any, pool: Arrays) -> Arrays:
    """One pool by name of what the steps read, and of the recorded part of all they give."""
    kept: Arrays = {}
    for step, results in run_steps(steps, host, pool):
        kept |= {array.name: array.sampled(results[array.name]) for array in step.gives}
    return pool | kept


# Arrays that several nets share.
PICTURE = Array("picture", "(H, W, 3)", "uint8")
TRIMAP = Array("trimap", "(H, W)", "uint8")
SIZE = Array("size", "(2,)", "int32", note="W, H")
ALPHA = Array("alpha", "(H, W)", every=(4, 4))
ALPHAS = Array("alphas", "(n, side, side)", unit=True, made=blended("patches"))
PATCH = Array("patch", "(3,)", "int32", note="left, top, side", made=row_of("patches", "refined"))
PATCHES = Array("patches", "(n, 3)", "int32", note="left, top, side")
PICTURE_PATCH = Array("picture_patch", "(side, side, 3)", "uint8", every=(4, 4))
REDUCED = Array("reduced", "(h, w, 3)", "uint8", every=(4, 4), fixed=True)
REFINED = Array("refined", "(n,)", "bool")
RUN = Array("run", "(n,)", "bool", note="those with unknown pixels")
