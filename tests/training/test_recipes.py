"""Every net's recipe in small: it learns, equal seeds give equal runs, its samples are shown."""

import csv
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from edgematte.checkpoint import load_model, random_model
from edgematte.nets import find, variants
from edgematte.training.engine.run import Run
from edgematte.training.pictures.patches import PatchSamples
from edgematte.training.pictures.sources import Library
from edgematte.training.recipe.schedule import Recipe, Settings, Stage
from edgematte.training.recipes import recipe


@dataclass(frozen=True)
class Small:
    """One net in a size for tests, and how it learns one picture by heart."""

    model: str
    side_px: int
    rate: float
    steps: int
    nearer: float  # times, than the best constant
    config: dict[str, int] = field(default_factory=dict)


SMALL = [
    Small("lightweight", 64, 5e-3, 45, 4, {"ena": 0}),
    Small("regional-tiny", 128, 2e-3, 45, 4),
    Small("vitmatte-tiny", 64, 2e-3, 40, 10, {"depth": 2, "dim": 48}),
    Small("hdmatt-tiny", 64, 2e-3, 45, 4),
    Small("diffmatte-lightweight", 64, 2e-3, 40, 10, {"ena": 0, "base": 8}),
]
BY_NAME = pytest.mark.parametrize("small", SMALL, ids=[small.model for small in SMALL])


def few(library: Library, side_px: int, crop_px: int, seed: int) -> PatchSamples:
    return PatchSamples(library, crop_px, seed, contexts=2)


def chosen(small: Small) -> Recipe[Any]:
    """Its recipe; with two contexts a patch, where there are contexts."""
    found = recipe(small.model)
    return replace(found, samples=few) if small.model.startswith("hdmatt") else found


def run(small: Small, output: Path, steps: int, **changes: Any) -> Run[Any]:
    batch = 2 if small.side_px < 128 else 1
    options = {"size_px": small.side_px, "batch": batch, "workers": 0, "log_every": 1}
    stages = (Stage(0.5, 64, 64, 2), Stage(1.0, 64, 64, 2, keep_norms=True))
    settings = Settings(output, steps, stages=stages, **{**options, **changes})
    model, _ = random_model(find(small.model), small.config, 0)
    return Run(chosen(small), settings, Library(), model)


def one_picture(small: Small) -> Any:
    """A batch that shows the same whole picture twice: soft edges, a subject of middling size."""
    known = chosen(small)
    samples = known.samples(Library(), small.side_px, small.side_px, 0)
    for index in range(40):
        batch = known.collate([samples[index]] * 2)
        alpha = batch.alpha
        if not torch.equal(alpha, getattr(batch, "crop_alpha", alpha)):
            continue
        if 0.3 < float(alpha.mean()) < 0.7 and float(((alpha > 0.1) & (alpha < 0.9)).sum()) > 100:
            return batch
    raise AssertionError("no such picture")


@BY_NAME
def test_one_picture_is_learnt(small: Small, tmp_path: Path) -> None:
    """Its loss falls to a third, and the averaged weights' alpha comes near to the truth.

    Nearer for nets that are given a trimap, which says where most of it is.
    """
    learning = run(small, tmp_path, small.steps)
    batch = one_picture(small)
    totals = [learning.train_step(batch, small.rate)["total"] for _ in range(small.steps)]
    assert min(totals[-5:]) < totals[0] / 3
    with torch.no_grad():
        planes = recipe(small.model).preview(learning.learner.average.model, batch)
    *shown, alpha = planes.values()
    true = shown[1]
    error = float((alpha - true).abs().mean())
    assert error < float((true - true.median()).abs().mean()) / small.nearer


@pytest.mark.parametrize("small", SMALL[1:], ids=[small.model for small in SMALL[1:]])
def test_a_seeded_run_gives_the_same_losses_twice(small: Small, tmp_path: Path) -> None:
    """The lightweight net's are in test_run.py."""
    losses = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        run(small, folder, 20, samples_every=20).train()
        with (folder / "training.csv").open(newline="") as file:
            losses.append([row["total"] for row in csv.DictReader(file)])
    assert len(losses[0]) == 20 and losses[0] == losses[1] and len(set(losses[0])) > 15
    shown = np.asarray(Image.open(folder / "samples-000020.png"))
    assert shown.shape[2] == 3 and shown.std() > 20  # a sheet of pictures, not of one grey
    variant = find(small.model)
    model, _ = load_model(variant, folder)
    assert model.config == {**variant.config, **small.config}


def test_every_model_has_a_recipe_for_sizes_that_it_takes() -> None:
    for name, variant in variants().items():
        known = recipe(name)
        assert known.model == name
        for stages in (known.stages, known.tune_stages):
            assert stages[-1].until == 1
            for stage in stages:
                assert not stage.side_px % variant.multiple
                assert not stage.crop_px % variant.multiple
