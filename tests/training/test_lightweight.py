import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from edgematte.checkpoint import load_model
from edgematte.errors import OptionError
from edgematte.models.lightweight import Lightweight
from edgematte.registry import LIGHTWEIGHT
from edgematte.training.data import Samples, collate
from edgematte.training.lightweight import RECIPE, crop_probabilities
from edgematte.training.run import Run
from edgematte.training.schedule import Settings, Stage, learning_rate
from edgematte.training.sources import Library

TINY = (Stage(0.5, 128, 64, 2), Stage(1.0, 128, 128, 1, keep_norms=True))


def _settings(output: Path, steps: int = 4, **changes: object) -> Settings:
    values: dict[str, object] = {
        "output": output,
        "steps": steps,
        "stages": TINY,
        "workers": 0,
        "log_every": 1,
        "norm_batches": 1,
        "bfloat16": False,
    }
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


def _weights(run: Run[Lightweight]) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.model.parameters()])


def test_a_run_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="end"):
        Run(RECIPE, Settings(tmp_path, TINY), Library())


def test_the_rate_warms_up_and_ends_at_zero() -> None:
    rates = [learning_rate(p, 1.0) for p in np.linspace(0, 1, 101)]
    assert rates[0] < 0.05 and rates[2] == 1.0 and rates[-1] < 1e-6
    assert all(a >= b for a, b in zip(rates[2:], rates[3:], strict=False))


def test_cropped_probabilities_are_those_of_the_part() -> None:
    whole = torch.rand(2, 3, 16, 16)
    same = crop_probabilities(whole, torch.tensor([[0.0, 0, 1, 1]] * 2), 16)
    assert torch.allclose(same, whole, atol=1e-5)
    raised = F.interpolate(whole, scale_factor=2, mode="bilinear", align_corners=False)
    part = crop_probabilities(whole, torch.tensor([[0.25, 0.5, 0.75, 1.0]] * 2), 16)
    assert torch.allclose(part, raised[..., 16:32, 8:24], atol=1e-5)


def test_a_run_leaves_a_checkpoint_that_loads(tmp_path: Path) -> None:
    run = Run(RECIPE, _settings(tmp_path), Library())
    run.train()
    model, _ = load_model(LIGHTWEIGHT, tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, run.average.model.state_dict()[name]), name
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "model": "lightweight",
        "cfm": True,
        "ena": True,
        "k": 16,
    }
    with (tmp_path / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["side_px"] for row in rows] == ["128"] * 4


def test_equal_seeds_give_equal_runs(tmp_path: Path) -> None:
    runs = [
        Run(RECIPE, _settings(tmp_path / str(i), seed=seed), Library())
        for i, seed in enumerate((5, 5, 6))
    ]
    for run in runs:
        run.train()
    assert torch.equal(_weights(runs[0]), _weights(runs[1]))
    assert not torch.equal(_weights(runs[0]), _weights(runs[2]))


def test_a_stopped_run_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    whole = Run(RECIPE, _settings(tmp_path / "whole"), Library())
    whole.train()
    part = Run(RECIPE, _settings(tmp_path / "part"), Library())
    for _, batch in zip(range(2), part.batches(TINY[0]), strict=False):
        part.train_step(batch, learning_rate(part.progress, part.settings.learning_rate))
    part.save()
    resumed = Run(RECIPE, _settings(tmp_path / "part"), Library())
    assert (resumed.step, resumed.samples_seen) == (2, 4)
    resumed.train()
    assert torch.allclose(_weights(whole), _weights(resumed), atol=1e-6)


def test_one_picture_is_learnt_by_heart(tmp_path: Path) -> None:
    run = Run(RECIPE, _settings(tmp_path, steps=40), Library())
    samples = Samples(Library(), 64, 64, 0)
    fused = [s for s in (samples[i] for i in range(20)) if s.given_px < 0 and s.alpha.max() > 200]
    batch = collate(fused[:1] * 2)
    totals = [run.train_step(batch, 2e-3)["total"] for _ in range(40)]
    assert min(totals[-5:]) < 0.4 * totals[0]


def test_kept_norms_stay_as_they_were_measured(tmp_path: Path) -> None:
    run = Run(RECIPE, _settings(tmp_path), Library())
    run.settle_norms(TINY[1])
    before = {name: buffer.clone() for name, buffer in run.model.named_buffers()}
    for _, batch in zip(range(2), run.batches(TINY[1]), strict=False):
        run.train_step(batch, 1e-3)
    for model in (run.model, run.average.model):
        for name, buffer in model.named_buffers():
            assert torch.allclose(buffer, before[name]), name
