"""What a training run is made of: recipe, stages, settings, learning rate."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from edgematte.training.data import Batch

M = TypeVar("M", bound=nn.Module)
WARM_UP = 0.02


@dataclass(frozen=True)
class Recipe(Generic[M]):
    """What is trained: a model, the config that rebuilds it, the losses of a batch.

    `losses(model, batch, radius_px)` gives named scalars; `total` is the one to descend.
    `radius_px` is how far the true trimap's unknown band is grown in this step.
    """

    build: Callable[[], M]
    config: dict[str, Any]
    losses: Callable[[M, Batch, int], dict[str, Tensor]]


@dataclass(frozen=True)
class Stage:
    """Until this share of the run: whole scenes of `side_px`, crops of `crop_px` for MRN.

    `batch` counts a step's samples in all processes together. With `keep_norms` BatchNorm's
    statistics are measured when the stage begins and kept to the end of the run.
    """

    until: float
    side_px: int
    crop_px: int
    batch: int
    keep_norms: bool = False


@dataclass(frozen=True)
class Settings:
    """One run. It ends at `steps` or `time_limit_s`, whichever comes first; one must be given."""

    output: Path
    stages: tuple[Stage, ...]
    steps: int | None = None
    time_limit_s: float | None = None
    seed: int = 0
    workers: int = 1
    save_every_s: float = 240.0
    log_every: int = 20
    learning_rate: float = 4e-4
    bfloat16: bool = True
    norm_batches: int = 50


def learning_rate(progress: float, peak: float) -> float:
    """Linear warm-up, then a cosine to zero; `progress` in [0, 1]."""
    if progress < WARM_UP:
        return peak * max(progress / WARM_UP, 0.01)
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
