"""What a host chooses, held fixed while its numbers are compared.

Where a host step decides (which regions are refined), a rounding error of a graph can flip a
decision. What follows then differs by as much as two answers can, however exact every graph is. So
the end-to-end comparison runs with the choices that PyTorch's graphs led to; how many an engine
would have made differently stands beside it, with the difference that they make.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgematte.manifest import Difference
from edgematte.runtime.host.clock import Clock

Arrays = Mapping[str, NDArray[Any]]


class Replay(Clock):
    """A clock that gives the recorded choices, and records what would have been chosen."""

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
