"""A training run in progress: steps, averaging, several processes, saving and going on."""

import csv
import logging
import os
import time
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import DataLoader

from edgematte.errors import OptionError
from edgematte.training import checkpoint
from edgematte.training.data import Batch, Samples, collate
from edgematte.training.schedule import Recipe, Settings, Stage, learning_rate
from edgematte.training.sources import Library

log = logging.getLogger(__name__)

M = TypeVar("M", bound=nn.Module)
BETAS = (0.5, 0.999)  # paper, section 3.1
CLIP_NORM = 5.0


class Run(Generic[M]):
    """A run in progress: model, average, optimizer and how far it is; saves and resumes.

    Where `torch.distributed` is set up, every process takes its share of each batch and the
    gradients are averaged; only the first process writes.
    """

    def __init__(self, recipe: Recipe[M], settings: Settings, library: Library) -> None:
        if settings.steps is None and settings.time_limit_s is None:
            raise OptionError("give the run an end: steps or time_limit_s")
        self.recipe, self.settings, self.library = recipe, settings, library
        self.processes = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        torch.manual_seed(settings.seed)
        self.model = recipe.build()
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = checkpoint.Average(self.model)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=settings.learning_rate, betas=BETAS, fused=True
        )
        self.step = self.samples_seen = 0
        self.elapsed_s = 0.0
        self.norms_settled = False
        settings.output.mkdir(parents=True, exist_ok=True)
        self.state_file = settings.output / checkpoint.STATE
        if self.state_file.is_file():
            self._resume()

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1."""
        by_step = self.step / self.settings.steps if self.settings.steps else 0.0
        limit_s = self.settings.time_limit_s
        return min(1.0, max(by_step, self.elapsed_s / limit_s if limit_s else 0.0))

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(self.state_file, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.samples_seen = state["step"], state["samples_seen"]
        self.elapsed_s, self.norms_settled = state["elapsed_s"], state["norms_settled"]
        log.info("resumed at step %d, %.0f s", self.step, self.elapsed_s)

    def save(self) -> None:
        """Write the averaged weights, their config and the state, each file whole."""
        if self.rank:
            return
        checkpoint.save_weights(self.average.model, self.recipe.config, self.settings.output)
        state = {
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "samples_seen": self.samples_seen,
            "elapsed_s": self.elapsed_s,
            "norms_settled": self.norms_settled,
        }
        checkpoint.save_state(state, self.settings.output)

    def batches(self, stage: Stage) -> Iterator[Batch]:
        """Endless batches of a stage, going on after the samples already seen."""
        end = 1 << 40
        loader = DataLoader(
            Samples(self.library, stage.side_px, stage.crop_px, self.settings.seed),
            batch_size=max(1, stage.batch // self.processes),
            sampler=range(self.samples_seen + self.rank, end, self.processes),
            num_workers=self.settings.workers,
            collate_fn=list,
            prefetch_factor=4 if self.settings.workers else None,
            multiprocessing_context="fork" if self.settings.workers else None,
        )
        return map(collate, loader)

    def train_step(self, batch: Batch, rate: float) -> dict[str, float]:
        """One step of Adam at this learning rate; gives the losses."""
        self.model.train()
        if self.norms_settled:
            for norm in self._norms():
                norm.eval()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        radius_px = 2 + self.step % 3
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.bfloat16):
            parts = self.recipe.losses(self.model, batch, radius_px)
        self.optimizer.zero_grad(set_to_none=True)
        parts["total"].backward()  # type: ignore[no-untyped-call]
        if self.processes > 1:
            self._share_gradients()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        self.optimizer.step()
        self.average.update(self.model)
        self.step += 1
        self.samples_seen += len(batch.image) * self.processes
        return {name: float(value.detach()) for name, value in parts.items()}

    def _share_gradients(self) -> None:
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]) / self.processes
        dist.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def _tell_time(self, elapsed_s: float) -> float:
        """The first process's clock, so that all have the same rate and end together."""
        if self.processes == 1:
            return elapsed_s
        clock = torch.tensor(elapsed_s, dtype=torch.float64)
        dist.broadcast(clock, 0)
        return float(clock)

    def _norms(self) -> list[nn.BatchNorm2d]:
        return [m for m in self.model.modules() if isinstance(m, nn.BatchNorm2d)]

    @torch.no_grad()
    def settle_norms(self, stage: Stage) -> None:
        """Measure BatchNorm's statistics over many batches and keep them from now on.

        The statistics of a few pictures are far from those the model is used with; what is left
        of the run trains with exactly those it ships.
        """
        norms = self._norms()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all batches
        self.model.train()
        batches = zip(range(self.settings.norm_batches), self.batches(stage), strict=False)
        for _, batch in batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.bfloat16):
                self.recipe.losses(self.model, batch, 3)
        means = [b for norm in norms for b in (norm.running_mean, norm.running_var)]
        for mean in means:
            assert mean is not None
            if self.processes > 1:
                dist.all_reduce(mean.div_(self.processes))
        averages = dict(self.average.model.named_buffers())
        for name, buffer in self.model.named_buffers():
            averages[name].copy_(buffer)
        self.norms_settled = True
        log.info("settled the statistics of %d norms", len(norms))

    def train(self) -> None:
        """Run to the end and save."""
        path = self.settings.output / ("training.csv" if self.rank == 0 else os.devnull)
        with path.open("a", newline="", buffering=1) as file:
            table = csv.writer(file)
            if file.tell() == 0:
                table.writerow("step seconds side_px rate sn l1 gradient total".split())
            for stage in self.settings.stages:
                if self.progress < stage.until:
                    self._train_stage(stage, table)
        self.save()
        log.info("done: %d steps in %.0f s", self.step, self.elapsed_s)

    def _train_stage(self, stage: Stage, table: Any) -> None:
        started, before_s, saved = time.monotonic(), self.elapsed_s, time.monotonic()
        if stage.keep_norms and not self.norms_settled:
            self.settle_norms(stage)
        sums: dict[str, float] = {}
        counted = 0
        for batch in self.batches(stage):
            rate = learning_rate(self.progress, self.settings.learning_rate)
            for name, value in self.train_step(batch, rate).items():
                sums[name] = sums.get(name, 0.0) + value
            counted += 1
            self.elapsed_s = self._tell_time(before_s + time.monotonic() - started)
            if self.step % self.settings.log_every == 0 and not self.rank:
                means = [f"{value / counted:.4f}" for value in sums.values()]
                row = [self.step, round(self.elapsed_s), stage.side_px, f"{rate:.2e}", *means]
                table.writerow(row)
                log.info("%s", " ".join(str(value) for value in row))
                sums.clear()
                counted = 0
            if time.monotonic() - saved > self.settings.save_every_s:
                self.save()
                saved = time.monotonic()
            if self.progress >= stage.until:
                return
