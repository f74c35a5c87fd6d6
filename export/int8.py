"""How an INT8 export is calibrated, and how good it must be; on which pictures fp16 is measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import OptionError
from edgematte.ranges import check_options
from edgematte.targets import FLOATS, Target


@dataclass(frozen=True)
class Int8:
    """Settings of an INT8 export.

    Args:
        pictures: calibration pictures, like those of the app: a folder, or an iterable of uint8
            (H, W, 3); by default a few pictures made of formulas.
        limit: how many pictures are taken at most.
        budget: the largest mean absolute alpha error over the unknown band, against the
            reference.
        seed: seed of the choice among the pictures.
        method: how ranges of activations are chosen: minmax, percentile or entropy; by default as
            the target does.
    """

    pictures: Path | str | Iterable[NDArray[np.uint8]] | None = None
    limit: int = 32
    budget: float = 0.01
    seed: int = 0
    method: str | None = None

    def __post_init__(self) -> None:
        """Refuse values outside of their ranges.

        Raises:
            OptionError: a value is outside its range; the message names it.
        """
        check_options(calibration_limit=self.limit, budget=self.budget, seed=self.seed)
        check_options(range_method=self.method)


def int8_of(
    target: Target,
    precision: str,
    int8: Int8 | None = None,
    *,
    calibration: Path | str | Iterable[NDArray[np.uint8]] | None = None,
    limit: int | None = None,
    budget: float | None = None,
    method: str | None = None,
    seed: int | None = None,
) -> Int8:
    """The INT8 settings, from ``int8`` or from the single options.

    Raises:
        OptionError: any of them is given for a float precision, or a value is outside its range.
    """
    words: dict[str, tuple[str, Any]] = {
        "calibration": ("pictures", calibration),
        "calibration_limit": ("limit", limit),
        "budget": ("budget", budget),
        "range_method": ("method", method),
    }
    given = {name: one for name, one in words.items() if one[1] is not None}
    if int8 is not None and given:
        raise OptionError("int8 says how to calibrate already: leave out the words for it")
    ranged = ("calibration", "calibration_limit") if precision == "fp16" else ()
    other = [name for name in given if name not in ranged]
    if (int8 is not None or other) and precision in FLOATS:
        raise OptionError(
            f"{' and '.join(other) or 'int8'} is for quantized precisions, not for {precision}; "
            "leave it out"
        )
    if "calibration_limit" in given and calibration is None and precision in FLOATS:
        raise OptionError("calibration_limit is of calibration pictures: give calibration too")
    chosen = int8 or Int8(seed=seed or 0, **dict(given.values()))
    if chosen.method is not None and precision != "int8":
        raise OptionError(
            f"range_method is of activations, which {precision} leaves in float; leave it out"
        )
    if chosen.method in target.no_methods:
        raise OptionError(f"{target.name}'s quantizer has no {chosen.method} ranges")
    return chosen
