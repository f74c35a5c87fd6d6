"""Ranges of activations, collected as a stream: memory does not grow with the number of pictures.

For each tensor only the minimum, the maximum and a histogram of fixed size are kept. When a value
falls outside of the histogram, the histogram's range is doubled and its bins are merged in pairs,
so that counts stay exact.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import OptionError

Floats = NDArray[np.floating]
BINS = 2048  # an even number, symmetric around zero
LEVELS = 128  # levels of an 8-bit tensor on one side of zero, for entropy
PERCENTILE = 99.99


class Range:
    """The range and histogram of the values of one tensor so far."""

    def __init__(self) -> None:
        self.lowest, self.highest = np.inf, -np.inf
        self.counts = np.zeros(BINS, np.int64)
        self.reach = 0.0  # the histogram covers -reach..reach

    def observe(self, values: Floats) -> None:
        """Add values of any shape.

        Raises:
            OptionError: a value is not finite, so that no range holds it.
        """
        flat = np.asarray(values, np.float32).ravel()
        if not flat.size:
            return
        lowest, highest = float(flat.min()), float(flat.max())
        if not np.isfinite(lowest + highest):
            raise OptionError("a calibration picture gives activations that are not finite")
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        largest = max(-lowest, highest)
        if self.reach == 0.0 and largest > 0:
            self.counts[BINS // 2] = self.counts.sum()  # so far all values were zero
            self.reach = 2.0 ** np.ceil(np.log2(largest))
        while largest > self.reach:
            self._double()
        if self.reach == 0.0:
            self.counts[BINS // 2] += flat.size
            return
        places = (flat * (BINS / 2 / self.reach) + BINS / 2).astype(np.int64)
        self.counts += np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)

    def _double(self) -> None:
        quarter = BINS // 4
        merged = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts = np.zeros(BINS, np.int64)
        self.counts[quarter : 3 * quarter] = merged
        self.reach *= 2

    def chosen(self, method: str | None) -> tuple[float, float]:
        """(lowest, highest) by a method; zero is always inside.

        minmax: the range of all values. percentile (or None): leaves out 0.01 % on each side.
        entropy: the symmetric range whose 8-bit histogram is closest to the full one
        (Kullback-Leibler).
        """
        if not np.isfinite(self.lowest):
            return 0.0, 0.0
        low, high = min(self.lowest, 0.0), max(self.highest, 0.0)
        if method in ("percentile", None):
            share = np.cumsum(self.counts) / self.counts.sum()
            width = 2 * self.reach / BINS
            below = int(np.searchsorted(share, 1 - PERCENTILE / 100, side="right"))
            above = int(np.searchsorted(share, PERCENTILE / 100, side="left"))
            low = max(low, min(0.0, below * width - self.reach))
            high = min(high, max(0.0, (above + 1) * width - self.reach))
        elif method == "entropy":
            clip = self._entropy()
            low, high = max(low, -clip), min(high, clip)
        return low, high

    def _entropy(self) -> float:
        half = BINS // 2
        sides = self.counts[half:] + self.counts[:half][::-1]  # by magnitude
        best, chosen = np.inf, half
        for kept in range(LEVELS, half + 1, LEVELS // 8):
            wanted = sides[:kept].astype(np.float64)
            wanted[-1] += sides[kept:].sum()
            divergence = _divergence(wanted, sides[:kept].astype(np.float64))
            if divergence < best:
                best, chosen = divergence, kept
        return float(chosen * self.reach / half)


def _divergence(wanted: NDArray[np.float64], seen: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence of a histogram from itself rounded to LEVELS steps."""
    edges = np.arange(len(seen)) * LEVELS // len(seen)
    sums = np.bincount(edges, weights=seen, minlength=LEVELS)
    filled = np.bincount(edges, weights=(seen > 0).astype(np.float64), minlength=LEVELS)
    told = np.where(seen > 0, (sums / np.maximum(filled, 1))[edges], 0.0)
    p, q = wanted / wanted.sum(), told / max(told.sum(), 1)
    both = p > 0
    floor = 1e-9
    return float(np.sum(p[both] * np.log(p[both] / np.maximum(q[both], floor))))


class Ranges:
    """The ranges of many tensors, by name."""

    def __init__(self) -> None:
        self.ranges: dict[str, Range] = {}

    def observe(self, name: str, values: Floats) -> None:
        """Add values of a tensor."""
        self.ranges.setdefault(name, Range()).observe(values)

    def names(self) -> Iterable[str]:
        """Names of the tensors seen so far."""
        return self.ranges.keys()

    def chosen(self, name: str, method: str | None) -> tuple[float, float]:
        """(lowest, highest) of a tensor; see `Range.chosen`."""
        return self.ranges[name].chosen(method)
