"""Recipe, stages, settings and learning rate of a training run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from edgematte.errors import OptionError
from edgematte.ranges import OPTIONS, check, check_options
from edgematte.training.batched.resident import Resident
from edgematte.training.pictures.data import Samples, collate
from edgematte.training.pictures.sources import Library

M = TypeVar("M", bound=nn.Module)
NORM_PX = 128  # smaller pictures end as one value per channel: in a batch of one it has no variance


@dataclass(frozen=True)
class Stage:
    """A stage of a run, which ends at this share of it: scenes of `side_px`, crops of `crop_px`.

    `batch` is the number of samples of a step, in all processes together. With `keep_norms`
    BatchNorm's statistics are measured when the stage begins and kept to the end of the run.
    """

    until: float
    side_px: int
    crop_px: int
    batch: int
    keep_norms: bool = False


@dataclass(frozen=True)
class Recipe(Generic[M]):
    """How one model is trained.

    `losses(model, batch, radius_px)` gives named scalars, of which `total` is minimised.
    `radius_px` is how far the true trimap's unknown band is grown in this step. `preview(model,
    batch)` gives named planes (B, 1 or 3, H, W) in [0, 1] for a person to look at. `stages` and
    `learning_rate` are for a run from nothing; `tune_stages` and `tune_rate` for one that starts
    from weights, whose BatchNorm statistics are kept.

    `samples(library, side_px, crop_px, seed)` gives endless samples by index, and `collate` stacks
    some into a batch, which has an `image` (B, ...) and `to(device)`. `rate_scale(model, name)` is
    the factor of a parameter's learning rate in runs that start from pretrained weights.
    `backbone(model, state, source)` takes over a plain pretrained backbone; `source` names it in
    errors.

    `batched(resident, side_px, crop_px, seed, indices)` makes a batch of the samples with these
    indices on the device that trains, from pictures that stay on it.

    `part`: the name of the only network of the model that learns; all else stays unchanged.

    `imitation(model, teacher, batch)` gives the losses of quantization-aware training, with a
    `total`: how far the model's outputs are from those of the float model that it started as.
    Without it `losses` are used there, too.
    """

    model: str
    losses: Callable[[M, Any, int], dict[str, Tensor]]
    preview: Callable[[M, Any], dict[str, Tensor]]
    stages: tuple[Stage, ...]
    tune_stages: tuple[Stage, ...]
    learning_rate: float
    tune_rate: float
    betas: tuple[float, float]  # of Adam
    # *Chosen* for every net: the papers give no such figures, or figures for other machines.
    warm_up: float = 0.02  # share of the run
    decay: float = 0.999  # of the average of the weights
    clip_norm: float = 5.0
    norm_batches: int = 50  # number of batches to measure BatchNorm's statistics on
    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    weight_decay: float = 0.0  # of matrices and convolutions; positions, norms, biases: none
    rate_scale: Callable[[M, str], float] | None = None
    backbone: Callable[[M, dict[str, Tensor], str], None] | None = None
    samples: Callable[[Library, int, int, int], Dataset[Any]] = Samples
    collate: Callable[[Sequence[Any]], Any] = collate
    drops: tuple[tuple[float, float], ...] = ()  # of the rate, see `learning_rate`; fine-tuning: no
    imitation: Callable[[M, M, Any], dict[str, Tensor]] | None = None
    batched: Callable[[Resident, int, int, int, Sequence[int]], Any] | None = None
    part: str = ""

    def learning(self, model: M) -> nn.Module:
        """The part of the model that learns."""
        return model.get_submodule(self.part)


@dataclass(frozen=True)
class Settings:
    """Settings of a run. It ends at `steps` or `time_limit_s`; one of them must be given.

    None stands for the recipe's choice; `size_px` and `batch` replace those of all its stages.
    `precision` is what autocast computes in; float32 turns it
    off. `bar` shows progress on standard error. `quantize_aware`: convolutions compute with what
    int8 leaves of their weights and inputs.
    """

    output: Path
    steps: int | None = None
    time_limit_s: float | None = None
    stages: tuple[Stage, ...] | None = None
    size_px: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    seed: int = 0
    workers: int = 1
    device: torch.device = torch.device("cpu")
    precision: torch.dtype = torch.float32
    save_every_s: float = 240.0
    log_every: int = 20
    samples_every: int = 500
    bar: bool = False
    quantize_aware: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside of their ranges."""
        check_options(
            training_steps=self.steps,
            size=self.size_px,
            batch=self.batch,
            learning_rate=self.learning_rate,
            seed=self.seed,
            workers=self.workers,
            log_every=self.log_every,
            samples_every=self.samples_every,
        )
        check("save_every_s in minutes,", self.save_every_s / 60, OPTIONS["save_every"])
        if self.time_limit_s is not None:
            check("time_limit_s in minutes,", self.time_limit_s / 60, OPTIONS["time_limit"])


def adapted(stages: tuple[Stage, ...], settings: Settings) -> tuple[Stage, ...]:
    """The stages with the settings' size and batch in place of their own."""
    side_px, batch = settings.size_px, settings.batch
    return tuple(
        replace(
            stage,
            side_px=side_px or stage.side_px,
            crop_px=side_px or stage.crop_px,
            batch=batch or stage.batch,
        )
        for stage in stages
    )


def refuse_small_batches(stages: Sequence[Stage], processes: int) -> None:
    """Raise OptionError if BatchNorm would have too few values to measure a variance."""
    for stage in stages:
        if stage.crop_px < NORM_PX and stage.batch // processes < 2:
            raise OptionError(
                f"a batch of {stage.batch} at {stage.crop_px} pixels is too small for BatchNorm: "
                f"at least 2 pictures a process, or {NORM_PX} pixels"
            )


def learning_rate(
    progress: float, peak: float, warm_up: float, drops: Sequence[tuple[float, float]] = ()
) -> float:
    """Linear warm-up, then a cosine to zero; `progress` in [0, 1].

    With `drops`, pairs of a share of the run and a factor, the rate is constant except for these
    drops: from each share on it is the factor times the peak.
    """
    if progress < warm_up:
        return peak * max(progress / warm_up, 0.01)
    if drops:
        return peak * next((factor for share, factor in reversed(drops) if progress >= share), 1.0)
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))
