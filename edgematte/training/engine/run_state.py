"""How far a training run is: its batches and steps, saving, going on."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from edgematte.errors import CheckpointError, OptionError, TrainingError, line_of
from edgematte.training.batched.resident import Resident
from edgematte.training.engine import checkpoint, norms, output, processes
from edgematte.training.engine.fake_quantize import quantize_aware
from edgematte.training.engine.learner import Learner
from edgematte.training.pictures.data import load
from edgematte.training.pictures.sources import Library
from edgematte.training.recipe.schedule import (
    Recipe,
    Settings,
    Stage,
    adapted,
    refuse_small_batches,
)

log = logging.getLogger(__name__)

M = TypeVar("M", bound=nn.Module)
FIRST_SHOWN = 1 << 40  # samples of a run have smaller indices


class RunState(Generic[M]):
    """A run and how far it is, step by step; saves and resumes. `Run` takes it to its end.

    Where the settings' output holds a run's state, it goes on from there. In several processes
    (see `edgematte.training.engine.processes`) each takes its share of every batch, gradients are
    averaged, and only the first writes.
    """

    def __init__(
        self,
        recipe: Recipe[M],
        settings: Settings,
        library: Library,
        model: M,
        *,
        tune: bool = False,
        pretrained: bool = False,
        resident: Resident | None = None,
    ) -> None:
        """`tune`: the model holds weights already, and the run adapts them.

        `pretrained`: its backbone does. `resident`: the library's pictures on the device, from
        which the recipe's `batched` makes the samples there.

        Raises:
            OptionError: the settings give no end, or the output holds another run, or files of
                no run.
            CheckpointError: the output's state is damaged or of another model.
        """
        if settings.steps is None and settings.time_limit_s is None:
            raise OptionError("give the run an end: steps or a time limit")
        self.recipe, self.settings, self.library, self.tune = recipe, settings, library, tune
        self.resident = resident if recipe.batched else None
        self.first = processes.rank() == 0
        teacher = copy.deepcopy(model) if settings.quantize_aware and recipe.imitation else None
        if settings.quantize_aware:
            quantize_aware(model)
        self.learner = Learner(
            recipe,
            model,
            settings.device,
            settings.precision,
            pretrained=tune or pretrained,
            teacher=teacher,
        )
        self.step = self.samples_seen = 0
        self.elapsed_s = 0.0
        self.saved_step: int | None = None
        self.losses: dict[str, float] = {}
        self.norms_settled = tune and all(stage.keep_norms for stage in recipe.tune_stages)
        if self.first:
            output.refuse_foreign(settings.output)
            checkpoint.sweep(settings.output)
        if (settings.output / checkpoint.STATE).is_file():
            self._resume()
        stages = recipe.tune_stages if self.tune else recipe.stages
        self.stages = adapted(settings.stages or stages, settings)
        if not self.norms_settled:
            refuse_small_batches(self.stages, processes.count())
        own = recipe.tune_rate if self.tune else recipe.learning_rate
        self.peak = settings.learning_rate or own
        self.drops = () if self.tune else recipe.drops
        with self.writing():
            settings.output.mkdir(parents=True, exist_ok=True)

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1."""
        by_step = self.step / self.settings.steps if self.settings.steps else 0.0
        limit_s = self.settings.time_limit_s
        return min(1.0, max(by_step, self.elapsed_s / limit_s if limit_s else 0.0))

    def _resume(self) -> None:
        file = self.settings.output / checkpoint.STATE
        state = checkpoint.read_run(self.settings.output, self.settings.device)
        settings = self.settings
        state = {"part": "", "quantize_aware": False, **state}  # older states lack them
        kind = {
            "recipe": self.recipe.model,
            "part": self.recipe.part,
            "seed": settings.seed,
            "quantize_aware": settings.quantize_aware,
        }
        for name, own in kind.items():
            if state.get(name, own) != own:
                raise OptionError(
                    f"{self.settings.output} holds a run with {name} {state[name]}, not {own}: "
                    "give another output, or the same options to go on"
                )
        try:
            self.learner.restore(state)
            self.step, self.samples_seen = state["step"], state["samples_seen"]
            self.elapsed_s, self.norms_settled = state["elapsed_s"], state["norms_settled"]
        except (KeyError, RuntimeError, ValueError) as error:
            first = line_of(error)
            raise CheckpointError(
                f"{file} does not fit this model ({first}): give another output"
            ) from None
        self.tune = state.get("tune", self.tune)
        self.saved_step = self.step
        log.info("resumed at step %d, %.0f s", self.step, self.elapsed_s)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn a full disk or a missing folder into a TrainingError that says what is left."""
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"step {self.step}: {self.settings.output} cannot be written to "
                f"({error.strerror or error}); {self._left()}; make room, or give another "
                "output, and the same command again"
            ) from None

    def _left(self) -> str:
        if self.saved_step is None:
            return "no checkpoint had been written yet"
        return f"the checkpoint of step {self.saved_step} is there, whole"

    def save(self) -> None:
        """Write the averaged weights, their config and the state, each file whole.

        Raises:
            TrainingError: the disk is full, the folder is gone, or weights are not finite; the old
                files stay.
        """
        if not self.first:
            return
        model = self.learner.average.model
        if not all(torch.isfinite(parameter).all() for parameter in model.parameters()):
            raise TrainingError(
                f"step {self.step}: the weights are not finite; {self._left()}; a lower "
                "learning rate may help"
            )
        config = {"model": self.recipe.model, **dict(model.config)}  # type: ignore[arg-type]
        state = {
            **self.learner.state(),
            "recipe": self.recipe.model,
            "part": self.recipe.part,
            "seed": self.settings.seed,
            "quantize_aware": self.settings.quantize_aware,
            "config": config,
            "tune": self.tune,
            "step": self.step,
            "samples_seen": self.samples_seen,
            "elapsed_s": self.elapsed_s,
            "norms_settled": self.norms_settled,
        }
        with self.writing():
            checkpoint.save_weights(model, config, self.settings.output)
            checkpoint.save_state(state, self.settings.output)
        self.saved_step = self.step

    def batches(self, stage: Stage) -> Iterator[Any]:
        """Endless batches of a stage, going on after the samples already seen."""
        recipe = self.recipe
        samples = recipe.samples(self.library, stage.side_px, stage.crop_px, self.settings.seed)
        share = range(self.samples_seen + processes.rank(), FIRST_SHOWN, processes.count())
        size = max(1, stage.batch // processes.count())
        if self.resident is not None and recipe.batched is not None:
            make = partial(
                recipe.batched, self.resident, stage.side_px, stage.crop_px, self.settings.seed
            )
            steps = count(0, size)
            return (make(share[start : start + size]) for start in steps)
        loader = load(samples, share, size, self.settings.workers, recipe.collate)
        return (batch.to(self.settings.device) for batch in loader)

    def train_step(self, batch: Any, rate: float) -> dict[str, float]:
        """One step at this learning rate; gives the losses.

        Raises:
            TrainingError: loss or gradient is not finite; what was saved stays.
        """
        radius_px = 2 + self.step % 3
        try:
            losses = self.learner.step(batch, rate, radius_px, keep_norms=self.norms_settled)
        except TrainingError as error:
            raise TrainingError(
                f"step {self.step + 1}: {error}; {self._left()}; a lower learning rate may help"
            ) from None
        self.step += 1
        self.samples_seen += len(batch.image) * processes.count()
        return losses

    def settle_norms(self, stage: Stage) -> None:
        """Measure BatchNorm's statistics over many batches and keep them from now on.

        The statistics of a few pictures are far from those the model is used with; what is left
        of the run trains with exactly those it ships.
        """
        learning = self.recipe.learning(self.learner.model)
        norms.forget(learning)
        self.learner.ready(keep_norms=False)
        number = min(self.recipe.norm_batches, max(1, self.step))  # short runs measure less
        batches = zip(range(number), self.batches(stage), strict=False)
        with torch.no_grad():
            for _, batch in batches:
                self.learner.losses(batch, 3)
        processes.average(norms.statistics(learning))
        norms.copy(self.learner.model, self.learner.average.model)
        self.norms_settled = True
