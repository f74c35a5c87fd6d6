"""The loop of a training run: stage after stage, with a log, sheets of samples and saving."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from tqdm import tqdm

from edgematte.atomic import atomic_file
from edgematte.training import stopping
from edgematte.training.engine import checkpoint, processes, stopwatch
from edgematte.training.engine.run_state import FIRST_SHOWN, RunState
from edgematte.training.engine.stopwatch import Stopwatch
from edgematte.training.engine.table import Table
from edgematte.training.evaluation.sheet import sheet_of
from edgematte.training.recipe.schedule import Stage, learning_rate

log = logging.getLogger(__name__)

SHOWN, SHOWN_PX = 4, 192


def train(run: RunState[Any]) -> None:
    """Train a run to its end and save it.

    Raises:
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP came; the current step was finished and saved.
    """
    with run.writing():
        table = Table(run.settings.output / checkpoint.TABLE, run.step)
    bar = tqdm(
        total=run.settings.steps,
        initial=run.step,
        desc="training",
        unit="step",
        disable=not (run.settings.bar and run.first),
        mininterval=0.5 if sys.stderr.isatty() else 30,
    )
    with bar, stopping.on_signal() as asked, stopwatch.running(run.elapsed_s) as watch:
        for stage in run.stages:
            if run.progress < stage.until:
                train_stage(run, stage, table, bar, asked, watch)
    if run.saved_step != run.step:
        run.save()
    log.info("done: %d steps in %.0f s", run.step, run.elapsed_s)


def train_stage(
    run: RunState[Any],
    stage: Stage,
    table: Table,
    bar: "tqdm[Any]",
    asked: Callable[[], bool],
    watch: Stopwatch,
) -> None:
    """Train until the stage's share of the run is done, or ``asked`` says to stop."""
    settings = run.settings
    saved = time.monotonic()
    if stage.keep_norms and not run.norms_settled:
        run.settle_norms(stage)
    sums: dict[str, float] = {}
    counted = 0
    for batch in run.batches(stage):
        rate = learning_rate(run.progress, run.peak, run.recipe.warm_up, run.drops)
        run.losses = run.train_step(batch, rate)
        for name, value in run.losses.items():
            sums[name] = sums.get(name, 0.0) + value
        counted += 1
        run.elapsed_s = processes.agreed(watch.lap(), settings.device)
        bar.update()
        if run.step % settings.log_every == 0 and run.first:
            means = {name: value / counted for name, value in sums.items()}
            bar.set_postfix(side=stage.side_px, loss=f"{means['total']:.4f}", refresh=False)
            row = (run.step, round(run.elapsed_s), stage.side_px, f"{rate:.2e}")
            with run.writing():
                table.write(row, means)
            sums, counted = {}, 0
        if run.step % settings.samples_every == 0 and run.first:
            show(run, stage)
        if processes.agreed(float(asked()), settings.device):
            run.save()
            where = f"step {run.step} is saved in {settings.output}"
            raise KeyboardInterrupt(f"stopped: {where}; the same command goes on from there")
        if time.monotonic() - saved > settings.save_every_s:
            run.save()
            saved = time.monotonic()
        if run.progress >= stage.until:
            return


@torch.inference_mode()
def show(run: RunState[Any], stage: Stage) -> None:
    """Write `samples-STEP.png`: the results of the averaged weights on the same few pictures."""
    recipe, settings = run.recipe, run.settings
    seen = recipe.samples(run.library, stage.side_px, stage.crop_px, settings.seed)
    batch = recipe.collate([seen[FIRST_SHOWN + i] for i in range(SHOWN)]).to(settings.device)
    planes = recipe.preview(run.learner.average.model, batch)
    file = settings.output / f"samples-{run.step:06}.png"
    with run.writing(), atomic_file(file) as scratch:
        sheet_of(planes.values(), SHOWN_PX).save(scratch)
