"""DiffMatte's training: what its passes see, that features are made once, that it learns."""

import numpy as np
import pytest
import torch

from edgematte.checkpoint import random_model
from edgematte.models.diffmatte.diffusion import sample
from edgematte.models.diffmatte.network import DiffMatte
from edgematte.registry import FAMILIES
from edgematte.runtime.diffusion import Step, advance, standardised
from edgematte.runtime.noise import noise
from edgematte.training import diffmatte
from edgematte.training.losses.diffmatte import self_aligned_passes
from edgematte.training.pictures.crops import CropBatch, Crops, collate_crops
from edgematte.training.pictures.sources import Library
from edgematte.training.recipes import recipe

SMALL = {"ena": 0, "base": 8}


@pytest.fixture(scope="module")
def batch(library: Library) -> CropBatch:
    crops = Crops(library, 64, 3)
    return collate_crops([crops[i] for i in range(3)])


@pytest.fixture(scope="module")
def model() -> DiffMatte:
    made, _ = random_model(FAMILIES["diffmatte-lightweight"], SMALL, 0)
    assert isinstance(made, DiffMatte)
    return made


@pytest.mark.parametrize("time", [0.9, 0.5, 0.1, 0.0])
def test_the_second_pass_sees_what_the_sampler_does(
    model: DiffMatte, batch: CropBatch, time: float
) -> None:
    """From noise alone: the host's step from 1 to ``time`` is what training forms at ``time``.

    At time 1 there is a little of the true matte in what training forms, b * 1e-4.5; 1e-4 covers it
    after the model and the division by the deviation.
    """
    drawn = noise(1, 64, 64)
    seen: list[torch.Tensor] = []
    answers: list[torch.Tensor] = []
    with torch.no_grad():
        inner = diffmatte.denoiser(model, batch)

        def denoise(noisy: torch.Tensor, when: torch.Tensor) -> torch.Tensor:
            seen.append(noisy)
            answers.append(inner(noisy, when))
            return answers[-1]

        self_aligned_passes(
            denoise,
            2 * batch.alpha - 1,
            torch.from_numpy(drawn).expand(3, 1, 64, 64),
            torch.ones(3),
            torch.full((3,), time),
        )
    for i in range(3):
        first = standardised(drawn)
        assert np.allclose(seen[0][i, 0].numpy(), first, atol=1e-4)
        later = advance(drawn, answers[0][i, 0].numpy(), Step(1.0, time))
        assert np.allclose(seen[1][i, 0].numpy(), standardised(later), atol=1e-4)
        assert not np.allclose(seen[1][i, 0].numpy(), first, atol=0.01)


def test_with_one_answer_it_is_so_from_any_time() -> None:
    """A model that answers the same at both times: every interval is the sampler's."""
    rng = np.random.default_rng(0)
    answer = rng.uniform(-1, 1, (8, 8)).astype(np.float32)
    drawn = rng.normal(size=(8, 8)).astype(np.float32)
    given = torch.from_numpy(answer)[None, None]
    seen: list[torch.Tensor] = []

    def denoise(noisy: torch.Tensor, when: torch.Tensor) -> torch.Tensor:
        seen.append(noisy)
        return given

    times = torch.tensor([0.7]), torch.tensor([0.3])
    self_aligned_passes(denoise, given, torch.from_numpy(drawn)[None, None], *times)
    noisy = np.float32(0.2 * 0.3**0.5) * answer + np.float32(0.7**0.5) * drawn
    later = advance(noisy, answer, Step(0.7, 0.3))
    assert np.allclose(seen[1][0, 0].numpy(), standardised(later), atol=1e-5)


def test_the_sampler_of_training_is_the_host_s() -> None:
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=(6, 9)).astype(np.float32)

    def denoise(noisy: torch.Tensor, when: torch.Tensor) -> torch.Tensor:
        return 0.8 * noisy + when[:, None, None, None]

    found = list(sample(denoise, torch.from_numpy(drawn)[None, None], 5))
    x = drawn
    for i, matte in enumerate(found):
        step = Step(1 - i / 5, 1 - (i + 1) / 5)
        answer = np.clip(0.8 * standardised(x) + np.float32(step.time), -1, 1)
        assert np.allclose(matte[0, 0].numpy(), answer, atol=1e-5)
        x = advance(x, answer, step)


def test_features_are_made_once_and_learn_from_the_second_pass(
    model: DiffMatte, batch: CropBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded, times = [], []
    encode, denoise = model.encode, model.denoise

    def counted(*given: torch.Tensor) -> torch.Tensor:
        encoded.append(1)
        return encode(*given)

    def timed(feature: torch.Tensor, condition: torch.Tensor, when: torch.Tensor) -> torch.Tensor:
        times.append((when.clone(), torch.is_grad_enabled()))
        return denoise(feature, condition, when)

    monkeypatch.setattr(model, "encode", counted)
    monkeypatch.setattr(model, "denoise", timed)
    parts = diffmatte.losses(model, batch, 3)
    assert len(encoded) == 1 and len(times) == 2
    (later, first), (earlier, second) = times
    assert (later >= earlier).all() and not first and second
    parts["total"].backward()  # type: ignore[no-untyped-call]
    weight = model.get_parameter("encoder.stem.0.weight")
    assert weight.grad is not None and weight.grad.abs().sum() > 0
    again = diffmatte.losses(model, batch, 3)  # the same samples, the same chance
    assert float(again["total"].detach()) == float(parts["total"].detach())


def test_it_learns_a_batch_by_heart(batch: CropBatch) -> None:
    torch.manual_seed(0)
    made, _ = random_model(FAMILIES["diffmatte-lightweight"], SMALL, 0)
    assert isinstance(made, DiffMatte)
    made.train()
    optimizer = torch.optim.Adam(made.parameters(), 3e-3)
    totals = []
    for _ in range(16):
        parts = diffmatte.losses(made, batch, 2)
        optimizer.zero_grad()
        parts["total"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        totals.append(float(parts["total"].detach()))
    assert totals[-1] < 0.7 * totals[0]


def test_every_variant_has_a_recipe(model: DiffMatte, batch: CropBatch) -> None:
    for name in FAMILIES:
        if name.startswith("diffmatte"):
            assert recipe(name).losses is diffmatte.losses
    with torch.no_grad():
        shown = diffmatte.preview(model, batch)
    assert all(0 <= float(p.min()) and float(p.max()) <= 1 for p in shown.values())
    assert all(p.shape[2:] == (64, 64) for p in shown.values()) and len(shown) == 5
