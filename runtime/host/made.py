"""Made-up arrays for records of host steps: what graphs, and no host step, would give.

They are formulas of the arrays that there are already, so that every port can make them again.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes

Pool = Mapping[str, NDArray[Any]]
Made = Callable[[Pool], NDArray[Any]]


def row_of(boxes: str, flags: str) -> Made:
    """The first row of the array ``boxes`` for which the array ``flags`` is true."""

    def chosen(pool: Pool) -> NDArray[Any]:
        row: NDArray[Any] = pool[boxes][int(np.argmax(pool[flags]))]
        return row

    return chosen


def blended(boxes: str) -> Made:
    """An alpha for each row of the array ``boxes`` (left, top, side; or width and height).

    They are smooth and differ from one to the next, so that blending shows; as bytes.
    """

    def alphas(pool: Pool) -> Bytes:
        rows = pool[boxes]
        width, height = int(rows[0][2]), int(rows[0][-1])
        across, down = (np.linspace(0, 1, n, dtype=np.float32) for n in (width, height))
        planes = [np.add.outer(down * (i + 1), across[::-1]) % 1 for i in range(len(rows))]
        made: Bytes = np.rint(np.stack(planes) * 255).astype(np.uint8)
        return made

    return alphas
