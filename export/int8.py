"""How an INT8 export is calibrated, and how good it must be."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgematte.ranges import check_options


@dataclass(frozen=True)
class Int8:
    """What a quantized export is given beside the model.

    Args:
        pictures: like those of the app: a folder, or an iterable of uint8 (H, W, 3); by default a
            few made of formulas.
        limit: most of them that are taken.
        budget: largest mean absolute alpha error over the unknown band, against PyTorch.
        seed: of the choice of pictures.
        method: how ranges of activations are chosen: minmax, percentile or entropy; by default the
            target's way.
    """

    pictures: Path | str | Iterable[NDArray[np.uint8]] | None = None
    limit: int = 32
    budget: float = 0.01
    seed: int = 0
    method: str | None = None

    def __post_init__(self) -> None:
        """Refuse values outside of their ranges.

        Raises:
            OptionError: naming the first of them.
        """
        check_options(calibration_limit=self.limit, budget=self.budget, seed=self.seed)
        check_options(range_method=self.method)
