import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from edgematte.training.losses.lightweight import (
    TOLERANCE,
    lightweight_loss,
    matting_losses,
    segmentation_loss,
    trimap_target,
)


def _random(seed: int, size: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted alpha, alpha with many exact 0 and 1, and what is known of it."""
    rng = np.random.default_rng(seed)
    alpha = np.clip(rng.random((size, size)) * 3 - 1, 0, 1)
    return rng.random((size, size)), alpha, (rng.random((size, size)) < 0.8).astype(float)


def _plane(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)[None, None].float()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3))
def test_trimap_target_is_equation_6_grown(seed: int, radius: int) -> None:
    _, alpha, known = _random(seed)
    found = trimap_target(_plane(alpha), _plane(known), radius)[0].numpy()
    for y, x in np.ndindex(alpha.shape):
        near = (
            slice(max(0, y - radius), y + radius + 1),
            slice(max(0, x - radius), x + radius + 1),
        )
        doubt = (known[near] == 0).any()
        foreground = doubt or (alpha[near] > TOLERANCE).any()
        background = doubt or (alpha[near] < 1 - TOLERANCE).any()
        expected = 2 if foreground and background else int(alpha[y, x] > 0.5)
        assert found[y, x] == expected


def test_trimap_target_without_growth_is_equation_6() -> None:
    alpha = _plane(np.array([[0.0, 0.2, 0.9, 1.0]]))
    assert trimap_target(alpha, torch.ones_like(alpha)).tolist() == [[[0, 2, 2, 1]]]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_matting_losses_are_equations_8_and_9(seed: int) -> None:
    predicted, alpha, known = _random(seed)
    l1 = gradient = weight = 0.0
    for y, x in np.ndindex(alpha.shape):
        w = float(known[y, x]) * (1.0 if TOLERANCE < alpha[y, x] < 1 - TOLERANCE else 0.1)
        weight += w
        l1 += w * abs(float(predicted[y, x] - alpha[y, x]))
        for v, u in ((y + 1, x), (y, x + 1)):
            if v < len(alpha) and u < len(alpha) and known[y, x] and known[v, u]:
                step = (predicted[v, u] - predicted[y, x]) - (alpha[v, u] - alpha[y, x])
                gradient += abs(float(step))
    parts = matting_losses(_plane(predicted), _plane(alpha), _plane(known))
    assert np.isclose(float(parts["l1"]), l1 / max(1, weight), rtol=1e-5)
    assert np.isclose(float(parts["gradient"]), gradient / max(1, weight), rtol=1e-5)
    assert parts["total"] == 5 * parts["l1"] + 0.5 * parts["gradient"]


def test_what_is_not_known_costs_nothing() -> None:
    predicted, alpha, _ = _random(0)
    nothing = _plane(np.zeros_like(alpha))
    for unknown in (None, torch.ones_like(nothing)):
        parts = matting_losses(_plane(predicted), _plane(alpha), nothing, unknown)
        assert float(parts["l1"]) == float(parts["gradient"]) == 0


def test_the_unknown_region_of_a_trimap_weighs_as_much_as_fractional_alpha() -> None:
    alpha = torch.tensor([0.0, 0.0, 1.0, 0.5]).reshape(1, 1, 1, 4)
    unknown = torch.tensor([0.0, 1.0, 1.0, 1.0]).reshape(1, 1, 1, 4)
    known, off = torch.ones_like(alpha), torch.tensor([0.0, 0.1, 0.0, 0.0]).reshape(1, 1, 1, 4)
    without = matting_losses(alpha + off, alpha, known)
    with_it = matting_losses(alpha + off, alpha, known, unknown)
    assert float(without["l1"]) == pytest.approx(0.1 * 0.1 / 1.3)
    assert float(with_it["l1"]) == pytest.approx(0.1 / 3.1)


def test_segmentation_loss_is_equation_7() -> None:
    torch.manual_seed(0)
    target = torch.randint(0, 3, (2, 64, 64))
    logits = [torch.randn(2, 3, side, side) for side in (8, 4, 2)]
    expected = 0.0
    for level, stride in zip(logits, (1, 2, 4), strict=True):
        raised = F.interpolate(level, scale_factor=8, mode="bilinear").log_softmax(1)
        rows = target[:, stride // 2 :: stride, stride // 2 :: stride]
        picked = [
            -raised[b, rows[b, y, x], y, x]
            for b, y, x in np.ndindex(*raised.shape[:1], *raised.shape[2:])
        ]
        expected += float(torch.stack(picked).mean())
    assert np.isclose(float(segmentation_loss(logits, target)), expected, rtol=1e-4)


def test_the_whole_is_equation_10_with_the_paper_s_weights() -> None:
    torch.manual_seed(0)
    logits = [torch.randn(1, 3, side, side) for side in (8, 4, 2)]
    target = torch.randint(0, 3, (1, 64, 64))
    predicted, alpha = torch.rand(2, 1, 1, 64, 64)
    parts = lightweight_loss(logits, target, predicted, alpha, torch.ones_like(alpha))
    expected = parts["sn"] + 5 * parts["l1"] + 0.5 * parts["gradient"]
    assert torch.isclose(parts["total"], expected) and all(parts.values())
