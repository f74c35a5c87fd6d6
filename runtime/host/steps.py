"""Host steps as declarations: what each reads and gives, and how its arrays are recorded.

Golden records, the check and the table in docs/bundle.md are made from the declarations. A step is
a pure function of the host section and named arrays, so that a port of the host side can prove
itself one step at a time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """

    name: str
    shape: str = ""
    dtype: str = ""
    every: tuple[int, ...] = ()
    unit: bool = False
    note: str = ""

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
    """

    name: str
    run: Callable[..., Arrays]
    reads: tuple[Array, ...]
    gives: tuple[Array, ...]
    when: Callable[[Any], bool] | None = None
    where: str = ""

    @property
    def stored(self) -> dict[str, Array]:
        """How each array it touches is recorded, by name."""
        return {array.name: array for array in (*self.reads, *self.gives)}

    def __call__(self, host: Any, pool: Mapping[str, NDArray[Any]]) -> Arrays:
        """Run the step on arrays of a pool of records."""
        return self.run(host, **{a.name: a.taken(pool[a.name]) for a in self.reads})


Steps = Mapping[str, tuple[HostStep, ...]]
"""The steps of a net's cuts, by kind."""


def steps_of(steps: Steps, host: Any) -> tuple[HostStep, ...]:
    """The steps that a host section has."""
    return tuple(step for step in steps[host.cut] if step.when is None or step.when(host))


# Arrays that several nets share.
PICTURE = Array("picture", "(H, W, 3)", "uint8")
TRIMAP = Array("trimap", "(H, W)", "uint8")
SIZE = Array("size", "(2,)", "int32", note="W, H")
ALPHA = Array("alpha", "(H, W)", every=(4, 4))
ALPHAS = Array("alphas", "(n, side, side)", unit=True)
PATCH = Array("patch", "(3,)", "int32", note="left, top, side")
PATCHES = Array("patches", "(n, 3)", "int32", note="left, top, side")
PICTURE_PATCH = Array("picture_patch", "(side, side, 3)", "uint8", every=(4, 4))
REDUCED = Array("reduced", "(h, w, 3)", "uint8", every=(4, 4))
REFINED = Array("refined", "(n,)", "bool")
RUN = Array("run", "(n,)", "bool", note="those with unknown pixels")
