"""What the regional net is trained on: cells that are refined, pixels that count."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from edgematte.checkpoint import random_model
from edgematte.models.regional.network import BACKGROUND, UNKNOWN, Regional
from edgematte.registry import REGIONAL_TINY
from edgematte.training import regional
from edgematte.training.pictures.data import Batch, Samples, collate
from edgematte.training.pictures.sources import Library
from edgematte.training.regional import chosen_cells


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def classes(share: float, frames: int = 3) -> Tensor:
    unknown = torch.rand(frames, 20, 30, generator=generator()) < share
    return torch.where(unknown, UNKNOWN, BACKGROUND)


def test_few_unknown_cells_are_all_refined() -> None:
    given = classes(0.1)
    assert torch.equal(chosen_cells(given, 600, generator()), (given == UNKNOWN).nonzero())


def test_of_many_each_frame_keeps_those_around_one_of_them() -> None:
    given = classes(0.5)
    given[1] = BACKGROUND
    given[1, 3, 4:9] = UNKNOWN
    found = chosen_cells(given, 90, generator())
    assert found.tolist() == sorted(found.tolist()) and len(set(map(tuple, found.tolist()))) == 65
    assert (given[tuple(found.T)] == UNKNOWN).all()
    assert [int((found[:, 0] == frame).sum()) for frame in range(3)] == [30, 5, 30]
    for frame in (0, 2):
        cells = (given[frame] == UNKNOWN).nonzero().tolist()
        kept = found[found[:, 0] == frame][:, 1:]
        left = torch.tensor([cell for cell in cells if cell not in kept.tolist()])
        furthest = (kept[:, None] - kept).square().sum(dim=2).max(dim=1).values
        nearest_left = (kept[:, None] - left).square().sum(dim=2).min(dim=1).values
        assert (furthest <= nearest_left).any()  # of one: the random cell
    again = chosen_cells(given, 90, torch.Generator().manual_seed(1))
    assert not torch.equal(found, again)


def test_without_an_unknown_cell_it_is_the_first() -> None:
    assert chosen_cells(classes(0.0), 90, generator()).tolist() == [[0, 0, 0]]


@pytest.fixture(scope="module")
def batch(library: Library) -> Batch:
    """Two frames of which a square is not known."""
    samples = Samples(library, 128, 128, 3)
    found = collate([samples[i] for i in range(2)])
    known = torch.ones_like(found.known)
    known[:, :, 32:96, 40:72] = 0
    return replace(found, known=known, crop_known=known)


def test_alpha_that_is_not_known_does_not_count(batch: Batch) -> None:
    """Another alpha there leaves the regional net's losses as they are."""
    model, _ = random_model(REGIONAL_TINY, {}, 0)
    assert isinstance(model, Regional)
    model.train()
    other = torch.where(batch.known > 0, batch.alpha, 1 - batch.alpha)
    with torch.no_grad():
        plain, same = (
            regional.losses(model, replace(batch, alpha=alpha), 2) for alpha in (batch.alpha, other)
        )
    assert plain.keys() == {"alpha", "trimap", "refined", "total"}
    for name, value in plain.items():
        torch.testing.assert_close(value, same[name])
