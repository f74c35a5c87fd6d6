"""Connected components of a mask, 4-connectivity, from its runs of pixels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgematte.metrics.pair import Region

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Runs:
    """The horizontal runs of set pixels of a mask (H, W), top to bottom and left to right.

    starts, stops: (N,) half-open, as offsets into rows of W + 1 pixels whose last one is never
    set. component: (N,) the index of the first run of the component that each run belongs to.
    """

    starts: Indices
    stops: Indices
    component: Indices


def connected_runs(mask: Region) -> Runs:
    """Cut a mask into runs and say which of them touch, across edges and not corners.

    mask: bool (H, W). Time and memory grow with the pixels plus the runs.
    """
    height, width = mask.shape
    pitch = width + 1
    # One unset pixel before everything and after each row: a run never goes on in the next row.
    line = np.zeros(1 + height * pitch, dtype=np.bool_)
    line[1:].reshape(height, pitch)[:, :width] = mask
    changes = np.flatnonzero(line[1:] != line[:-1])
    starts, stops = changes[0::2], changes[1::2]

    # Moved down a row, a run touches those that stop after its start and start before its stop.
    first = np.searchsorted(stops, starts + pitch, side="right")
    last = np.searchsorted(starts, stops + pitch, side="left")
    touching = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), touching)
    nth = np.arange(len(upper)) - np.repeat(np.cumsum(touching) - touching, touching)
    lower = np.repeat(first, touching) + nth
    return Runs(starts, stops, _joined(len(starts), upper, lower))


def _joined(count: int, one: Indices, other: Indices) -> Indices:
    """The lowest node that each of `count` nodes is linked to by the edges one[i] - other[i].

    Each round hangs every tree from the lowest tree it has an edge to and flattens the result,
    which at least halves the unfinished trees every other round.
    """
    parent = np.arange(count)
    while len(one):
        one, other = parent[one], parent[other]
        apart = one != other
        one, other = one[apart], other[apart]
        np.minimum.at(parent, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(grandparent := parent[parent], parent):
            parent = grandparent
    return parent


def largest_component(mask: Region) -> Region:
    """The pixels of a mask's largest 4-connected component; of equals, the one met first.

    mask: bool (H, W), read row by row from the top left. Returns bool (H, W), all False when the
    mask is.
    """
    height, width = mask.shape
    runs = connected_runs(mask)
    if not len(runs.starts):
        return np.zeros_like(mask)
    sizes = np.bincount(runs.component, weights=runs.stops - runs.starts)
    chosen = runs.component == sizes.argmax()
    steps = np.zeros(height * (width + 1), dtype=np.int8)
    steps[runs.starts[chosen]] = 1
    steps[runs.stops[chosen]] = -1
    inside = np.cumsum(steps, dtype=np.int8, out=steps).view(np.bool_)
    return inside.reshape(height, width + 1)[:, :width]
