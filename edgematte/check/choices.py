"""Comparing an engine with PyTorch while the choices of the host are held fixed.

Where a host step makes a choice, such as which regions are refined, a rounding error of a graph can
flip it. The results then differ as much as any two results can, however exact every graph is. So
the end-to-end comparison uses the choices that PyTorch's graphs led to. It also reports how many
choices the engine would have made differently, and how much difference these make.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgematte.manifest import Difference
from edgematte.runtime.host.clock import Clock

Arrays = Mapping[str, NDArray[Any]]


class Replay(Clock):
    """A clock that returns the recorded choices, and records those that would have been made."""

    def __init__(self, given: Arrays) -> None:
        """``given``: rows of numbers by the choice's name."""
        super().__init__()
        self.given = given

    def choose(self, name: str, value: NDArray[Any]) -> NDArray[Any]:
        """The recorded choice of that name, if there is one."""
        super().choose(name, value)
        return self.given.get(name, value)


def flips(answers: Arrays, given: Arrays, engine: str) -> list[Difference]:
    """How many rows only one side chose, and their share of all rows that either chose.

    Choices named ``WHAT of PATCH`` count together.
    """
    counts: dict[str, tuple[int, int]] = {}
    for name, expected in given.items():
        here, there = (set(map(tuple, side.tolist())) for side in (answers[name], expected))
        kind = name.partition(" of ")[0]
        apart, both = counts.get(kind, (0, 0))
        counts[kind] = apart + len(here ^ there), both + len(here | there)
    rows = []
    for kind, (apart, both) in counts.items():
        where = f"{kind}, {apart} of {both} chosen by one only"
        share = apart / both if both else 0.0
        rows.append(Difference("choices", where, engine, float(apart > 0), share))
    return rows
