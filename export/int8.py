"""How an INT8 export is calibrated, and how good it must be."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgematte.ranges import check_options


@dataclass(frozen=True)
class Int8:
    """Settings of an INT8 export.

    Args:
        pictures: calibration pictures, like those of the app: a folder, or an iterable of uint8
            (H, W, 3); by default a few pictures made of formulas.
        limit: how many pictures are taken at most.
        budget: the largest mean absolute alpha error over the unknown band, against PyTorch.
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
