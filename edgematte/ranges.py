"""The allowed values of options in one table; nets and targets declare theirs, see options.py."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from edgematte.errors import OptionError


@dataclass(frozen=True)
class Range:
    """The numbers that an option may have. NaN and infinity are in no range.

    Args:
        least: the smallest number; None for no bound.
        most: the largest number; None for no bound.
        unit: what they count, in the plural; empty for plain numbers.
        whole: integers only.
        above: ``least`` itself is not allowed.
        below: ``most`` itself is not allowed.
    """

    least: float | None = None
    most: float | None = None
    unit: str = ""
    whole: bool = True
    above: bool = False
    below: bool = False

    def __contains__(self, value: object) -> bool:
        """Whether a value is a number in the range; booleans and strings are not."""
        if not isinstance(value, Real) or isinstance(value, bool):
            return False
        if not isinstance(value, Integral) and (self.whole or not math.isfinite(value)):
            return False
        number: Any = value
        low = self.least is None or (number > self.least if self.above else number >= self.least)
        high = self.most is None or (number < self.most if self.below else number <= self.most)
        return bool(low and high)

    def __str__(self) -> str:
        """The range in words: ``a whole number of pixels from 1 to 16384``."""
        noun = f"a {'whole ' if self.whole else ''}number{f' of {self.unit}' if self.unit else ''}"
        if self.least is not None and self.most is not None and not self.above:
            return f"{noun} from {self.least:.12g} to {'below ' * self.below}{self.most:.12g}"
        bounds = []
        if self.least is not None:
            bounds.append(f"{'above' if self.above else 'at least'} {self.least:.12g}")
        if self.most is not None:
            bounds.append(f"{'below' if self.below else 'at most'} {self.most:.12g}")
        if self.whole and bounds:  # for a count the bounds say enough
            return f"{' and '.join(bounds)}{f' {self.unit}' if self.unit else ''}"
        return f"{noun} {' and '.join(bounds)}".strip()


def check(name: str, value: object, allowed: Range | Collection[Any]) -> None:
    """Refuse a value that an option cannot be.

    Args:
        name: the name of the option in the message.
        value: the given value.
        allowed: a range, or all allowed values.

    Raises:
        OptionError: the value is outside of the range, or is none of the values.
    """
    if value in allowed and not isinstance(value, bool):
        return
    shown = f"{value:g}" if isinstance(value, float) else value
    if isinstance(allowed, Range):
        raise OptionError(f"{name} {shown}: {allowed}")
    raise OptionError(f"{name} {shown}: there are {', '.join(map(str, allowed))}")


def check_options(**options: object) -> None:
    """Refuse values outside of :data:`OPTIONS`; None stands for an option that was not given.

    Raises:
        OptionError: a value is outside; the message names the option and what it may be.
    """
    for name, value in options.items():
        if value is not None:
            check(name, value, OPTIONS[name])


ALPHA_BITS = (8, 16, 32)  # 32: floats
ALPHAS = ("straight", "premultiplied")
KINDS = ("cutout", "alpha", "trimap")
RANGE_METHODS = ("minmax", "percentile", "entropy")
SEED = Range(0, 2**32 - 1)
SIDE = Range(1, 16384, "pixels")
COUNT = Range(1)
SECONDS = Range(0, 86_400, "seconds", whole=False, above=True)
MINUTES = Range(0, 1e6, "minutes", whole=False)

OPTIONS: dict[str, Range | tuple[Any, ...]] = {
    # options of a loaded bundle
    "threads": Range(1, 256),  # starting more threads takes longer than they save
    "batch": COUNT,
    "in_flight": Range(1, 64, "pictures"),
    "seed": SEED,
    # options of a batch
    "actors": Range(1, 100_000),
    # options of results
    "alpha_bits": ALPHA_BITS,
    "png_level": Range(0, 9),
    "kind": KINDS,
    "fps": Range(0, 1000, "frames a second", whole=False, above=True),
    "channel_order": ("RGB", "BGR"),  # of arrays
    "colour": Range(0, 255),  # one channel of a background colour
    # options of an export
    "size": SIDE,
    "sizes": SIDE,  # each side of each size
    "padding": ("minimal", "authors"),
    "band_px": Range(0, unit="pixels"),
    "unknown_threshold": Range(0, 1, whole=False),  # of a cascade
    "class_index": Range(0, 9999),  # of an imported net's output
    "calibration_limit": Range(2, unit="pictures"),
    "range_method": RANGE_METHODS,
    "budget": Range(0, 1, whole=False),
    # options of a server
    "port": Range(0, 65_535),
    "batch_wait_ms": Range(0, 10_000, "milliseconds", whole=False),
    "max_mb": Range(0, 1000, "megabytes", whole=False, above=True),
    "max_megapixels": Range(0, 400, "megapixels", whole=False, above=True),
    "max_waiting": Range(1, 100_000, "pictures"),
    "max_held_mb": Range(1, 1e6, "megabytes", whole=False),
    "max_connections": Range(1, 1_000_000),
    "answer_timeout": SECONDS,
    "target_ongoing": Range(0, 1000, whole=False, above=True),
    "upscale_delay": SECONDS,
    "downscale_delay": SECONDS,
    # options of a benchmark
    "runs": COUNT,
    "warmups": Range(0),
    # options of training and evaluation
    "training_steps": COUNT,
    "time_limit": Range(0, 1e6, "minutes", whole=False, above=True),
    "learning_rate": Range(0, 1, whole=False, above=True),
    "workers": Range(0, 256),
    "save_every": MINUTES,
    "log_every": COUNT,
    "samples_every": COUNT,
    "hold_out": Range(0, 1, whole=False, below=True),
    "composites": Range(0),
    "pack_side": Range(64, 4096, "pixels"),
    "quality": Range(1, 100),  # of a picture in a pack
    "pack_limit": Range(0, 1e5, "MB", whole=False, above=True),
    "share": Range(0, 1, whole=False),
}
"""Name of the option in Python -> its range; on the command line names have dashes."""
