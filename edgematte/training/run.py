"""A training run in progress: stages, saving, going on, what it shows of itself."""

import copy
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from tqdm import tqdm

from edgematte.atomic import atomic_file
from edgematte.errors import CheckpointError, OptionError, TrainingError
from edgematte.training import checkpoint, norms, processes
from edgematte.training.data import load
from edgematte.training.fake_quantize import quantize_aware
from edgematte.training.learner import Learner
from edgematte.training.schedule import Recipe, Settings, Stage, adapted, learning_rate
from edgematte.training.sheet import contact_sheet, picture_of
from edgematte.training.sources import Library
from edgematte.training.table import Table

log = logging.getLogger(__name__)

M = TypeVar("M", bound=nn.Module)
END = 1 << 40  # samples of a run have smaller indices
SHOWN, SHOWN_PX = 4, 192
NORM_PX = 128  # smaller pictures end in one value a channel: a batch of one has no variance


class Run(Generic[M]):
    """A run and how far it is; saves and resumes.

    Where the settings' output holds a run's state, it goes on from there. In several processes
    (see `edgematte.training.processes`) each takes its share of every batch, gradients are
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
    ) -> None:
        """`tune`: the model holds weights already, and the run adapts them.

        `pretrained`: its backbone does.

        Raises:
            OptionError: the settings give no end, or the output holds another run.
            CheckpointError: the output's state is damaged or of another model.
        """
        if settings.steps is None and settings.time_limit_s is None:
            raise OptionError("give the run an end: --steps or --time-limit")
        self.recipe, self.settings, self.library, self.tune = recipe, settings, library, tune
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
        self.norms_settled = tune
        self.saved_step: int | None = None
        self.losses: dict[str, float] = {}
        settings.output.mkdir(parents=True, exist_ok=True)
        if self.first:
            checkpoint.sweep(settings.output)
        if (settings.output / checkpoint.STATE).is_file():
            self._resume()
        stages = recipe.tune_stages if self.tune else recipe.stages
        self.stages = adapted(settings.stages or stages, settings)
        for stage in () if self.norms_settled else self.stages:
            if stage.crop_px < NORM_PX and stage.batch // processes.count() < 2:
                raise OptionError(
                    f"a batch of {stage.batch} at {stage.crop_px} pixels is too small for "
                    f"BatchNorm: at least 2 pictures a process, or {NORM_PX} pixels"
                )
        own = recipe.tune_rate if self.tune else recipe.learning_rate
        self.peak = settings.learning_rate or own
        self.drops = () if self.tune else recipe.drops

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
        quantizes = ("quantize_aware", settings.quantize_aware)
        for name, own in (("recipe", self.recipe.model), ("seed", settings.seed), quantizes):
            if state.get(name, False if name == "quantize_aware" else own) != own:
                raise OptionError(
                    f"{self.settings.output} holds a run with {name} {state[name]}, not {own}: "
                    "give another --output, or the same options to go on"
                )
        try:
            self.learner.restore(state)
            self.step, self.samples_seen = state["step"], state["samples_seen"]
            self.elapsed_s, self.norms_settled = state["elapsed_s"], state["norms_settled"]
        except (KeyError, RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise CheckpointError(
                f"{file} does not fit this model ({first}): give another --output"
            ) from None
        self.tune = state.get("tune", self.tune)
        self.saved_step = self.step
        log.info("resumed at step %d, %.0f s", self.step, self.elapsed_s)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"step {self.step}: {self.settings.output} cannot be written to "
                f"({error.strerror or error}); {self._left()}; make room and give the same "
                "command again"
            ) from None

    def _left(self) -> str:
        if self.saved_step is None:
            return "no checkpoint had been written yet"
        return f"the checkpoint of step {self.saved_step} is there, whole"

    def save(self) -> None:
        """Write the averaged weights, their config and the state, each file whole.

        Raises:
            TrainingError: the disk is full, or the folder is gone; the old files stay.
        """
        if not self.first:
            return
        model = self.learner.average.model
        config = {"model": self.recipe.model, **dict(model.config)}  # type: ignore[arg-type]
        state = {
            **self.learner.state(),
            "recipe": self.recipe.model,
            "seed": self.settings.seed,
            "quantize_aware": self.settings.quantize_aware,
            "tune": self.tune,
            "step": self.step,
            "samples_seen": self.samples_seen,
            "elapsed_s": self.elapsed_s,
            "norms_settled": self.norms_settled,
        }
        with self._writing():
            checkpoint.save_weights(model, config, self.settings.output)
            checkpoint.save_state(state, self.settings.output)
        self.saved_step = self.step

    def batches(self, stage: Stage) -> Iterator[Any]:
        """Endless batches of a stage, going on after the samples already seen."""
        recipe = self.recipe
        samples = recipe.samples(self.library, stage.side_px, stage.crop_px, self.settings.seed)
        share = range(self.samples_seen + processes.rank(), END, processes.count())
        size = max(1, stage.batch // processes.count())
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
                f"step {self.step + 1}: {error}; {self._left()}; a lower --learning-rate may help"
            ) from None
        self.step += 1
        self.samples_seen += len(batch.image) * processes.count()
        return losses

    def settle_norms(self, stage: Stage) -> None:
        """Measure BatchNorm's statistics over many batches and keep them from now on.

        The statistics of a few pictures are far from those the model is used with; what is left
        of the run trains with exactly those it ships.
        """
        model = self.learner.model
        norms.forget(model)
        model.train()
        number = min(self.recipe.norm_batches, max(1, self.step))  # short runs measure less
        batches = zip(range(number), self.batches(stage), strict=False)
        with torch.no_grad():
            for _, batch in batches:
                self.learner.losses(batch, 3)
        processes.average(norms.statistics(model))
        norms.copy(model, self.learner.average.model)
        self.norms_settled = True

    def train(self) -> None:
        """Run to the end and save."""
        with self._writing():
            table = Table(self.settings.output / checkpoint.TABLE, self.step)
        with tqdm(
            total=self.settings.steps,
            initial=self.step,
            desc="training",
            unit="step",
            disable=not (self.settings.bar and self.first),
            mininterval=0.5 if sys.stderr.isatty() else 30,
        ) as bar:
            for stage in self.stages:
                if self.progress < stage.until:
                    self._train_stage(stage, table, bar)
        if self.saved_step != self.step:
            self.save()
        log.info("done: %d steps in %.0f s", self.step, self.elapsed_s)

    def _train_stage(self, stage: Stage, table: Table, bar: "tqdm[Any]") -> None:
        if stage.keep_norms and not self.norms_settled:
            self.settle_norms(stage)
        settings = self.settings
        started, before_s, saved = time.monotonic(), self.elapsed_s, time.monotonic()
        sums: dict[str, float] = {}
        counted = 0
        for batch in self.batches(stage):
            rate = learning_rate(self.progress, self.peak, self.recipe.warm_up, self.drops)
            self.losses = self.train_step(batch, rate)
            for name, value in self.losses.items():
                sums[name] = sums.get(name, 0.0) + value
            counted += 1
            spent_s = before_s + time.monotonic() - started
            self.elapsed_s = processes.agreed(spent_s, settings.device)
            bar.update()
            if self.step % settings.log_every == 0 and self.first:
                means = {name: value / counted for name, value in sums.items()}
                bar.set_postfix(side=stage.side_px, loss=f"{means['total']:.4f}", refresh=False)
                row = (self.step, round(self.elapsed_s), stage.side_px, f"{rate:.2e}")
                with self._writing():
                    table.write(row, means)
                sums, counted = {}, 0
            if self.step % settings.samples_every == 0 and self.first:
                self.show(stage)
            if time.monotonic() - saved > settings.save_every_s:
                self.save()
                saved = time.monotonic()
            if self.progress >= stage.until:
                return

    @torch.inference_mode()
    def show(self, stage: Stage) -> None:
        """Write `samples-STEP.png`: what the averaged weights make of the same few pictures."""
        recipe = self.recipe
        seen = recipe.samples(self.library, stage.side_px, stage.crop_px, self.settings.seed)
        batch = recipe.collate([seen[END + i] for i in range(SHOWN)]).to(self.settings.device)
        planes = recipe.preview(self.learner.average.model, batch)
        rows = [[picture_of(plane[i]) for plane in planes.values()] for i in range(SHOWN)]
        file = self.settings.output / f"samples-{self.step:06}.png"
        with self._writing(), atomic_file(file) as scratch:
            contact_sheet(rows, SHOWN_PX).save(scratch)
