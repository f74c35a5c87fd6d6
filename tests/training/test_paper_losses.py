"""The losses of the papers against sums over pixels, written out in NumPy.

Tolerances: 1e-5 relative, what float32 sums of a few thousand terms lose.
"""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgematte.models.diffmatte import diffusion
from edgematte.training.losses import diffmatte, hdmatt, regional, vitmatte

Plane = NDArray[np.float64]


def _tensor(array: Plane) -> torch.Tensor:
    """(H, W) or (H, W, 3) -> (1, 1 or 3, H, W)."""
    planes = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    return torch.from_numpy(planes[None].copy()).float()


def _planes(seed: int, *shape: int) -> tuple[Plane, Plane, Plane]:
    """Predicted alpha, alpha with many exact 0 and 1, and where a trimap is unknown."""
    rng = np.random.default_rng(seed)
    alpha = np.clip(rng.random(shape) * 3 - 1, 0, 1)
    return rng.random(shape), alpha, (rng.random(shape) < 0.4).astype(float)


def _near(found: torch.Tensor, expected: float) -> None:
    assert float(found) == pytest.approx(expected, rel=1e-5, abs=1e-7)


# regional


def test_a_cell_is_known_where_all_its_pixels_are() -> None:
    rng = np.random.default_rng(0)
    trimap = rng.choice([0.0, 0.5, 1.0], (32, 32), p=[0.45, 0.02, 0.53])
    trimap[:8, :16], trimap[8:24, 16:] = 0, 1
    found = regional.cell_classes(_tensor(trimap), 8)[0]
    for y, x in np.ndindex(4, 4):
        cell = trimap[8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
        expected = 0 if (cell == 0).all() else 2 if (cell == 1).all() else 1
        assert found[y, x] == expected
    assert {0, 1, 2} == set(found.flatten().tolist())


def test_regional_sums_its_levels() -> None:
    rng = np.random.default_rng(1)
    _, alpha, _ = _planes(1, 64, 64)
    trimap = np.kron(rng.choice([0.0, 0.5, 1.0], (8, 8)), np.ones((8, 8)))
    alphas = [rng.normal(size=(side, side)) for side in (8, 4, 2)]
    trimaps = [rng.normal(size=(side, side, 3)) for side in (8, 4, 2)]
    refined, regions = rng.random((5, 1, 8, 8)), rng.random((5, 1, 8, 8))
    of_alpha = of_trimap = 0.0
    for level, logits in zip(alphas, trimaps, strict=True):
        side = len(level)
        cell = 64 // side
        a = t = 0.0
        for y, x in np.ndindex(side, side):
            part = slice(cell * y, cell * (y + 1)), slice(cell * x, cell * (x + 1))
            a += abs(1 / (1 + np.exp(-level[y, x])) - alpha[part].mean())
            whole = trimap[part]
            true = 0 if (whole == 0).all() else 2 if (whole == 1).all() else 1
            t -= logits[y, x, true] - np.log(np.exp(logits[y, x]).sum())
        of_alpha, of_trimap = of_alpha + a / side**2, of_trimap + t / side**2
    parts = regional.regional_loss(
        [_tensor(a) for a in alphas],
        [_tensor(t) for t in trimaps],
        torch.from_numpy(refined).float(),
        _tensor(alpha),
        _tensor(trimap),
        torch.from_numpy(regions).float(),
    )
    of_regions = np.abs(refined - regions).mean()
    _near(parts["alpha"], of_alpha)
    _near(parts["trimap"], of_trimap)
    _near(parts["refined"], of_regions)
    _near(parts["total"], of_alpha + of_trimap + of_regions)


def test_no_region_costs_nothing_and_has_a_gradient() -> None:
    none = torch.zeros(0, 1, 8, 8, requires_grad=True)
    loss = regional.refined_alpha_loss(none, torch.zeros(0, 1, 8, 8))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0 and none.grad is not None


# hdmatt


def test_the_window_is_equation_5() -> None:
    found = hdmatt.window_weights(12, 4)
    for y, x in np.ndindex(12, 12):
        distance = min(y + 0.5, x + 0.5, 11.5 - y, 11.5 - x)
        assert float(found[y, x]) == pytest.approx(min(1.0, distance / 4))


def test_hdmatt_is_equation_4_weighted() -> None:
    rng = np.random.default_rng(2)
    predicted, alpha, unknown = _planes(2, 12, 12)
    image, front, back = rng.random((3, 12, 12, 3))
    a = c = total = 0.0
    for y, x in np.ndindex(12, 12):
        w = unknown[y, x] * min(1, min(y + 0.5, x + 0.5, 11.5 - y, 11.5 - x) / 4)
        p = predicted[y, x]
        off = image[y, x] - (p * front[y, x] + (1 - p) * back[y, x])
        a += w * np.sqrt((alpha[y, x] - p) ** 2 + 1e-12)
        c += w * np.sqrt((off**2).sum() + 1e-12)
        total += w
    planes = (_tensor(x) for x in (predicted, alpha, image, front, back, unknown))
    found = partial(hdmatt.hdmatt_loss, overlap_px=4)(*planes)
    _near(found["alpha"], a / total)
    _near(found["composition"], c / total)
    _near(found["total"], 0.5 * a / total + 0.5 * c / total)


def test_hdmatt_s_gradient_is_finite_where_the_answer_is_exact() -> None:
    """The square root's is not, without epsilon."""
    alpha = torch.rand(1, 1, 8, 8)
    predicted = alpha.clone().requires_grad_()
    picture = torch.rand(1, 3, 8, 8)
    ones = torch.ones_like(alpha)
    loss = hdmatt.hdmatt_loss(predicted, alpha, picture, picture, picture, ones, 2)["total"]
    loss.backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None and torch.isfinite(predicted.grad).all()


# vitmatte

TAPS = np.array([1, 4, 6, 4, 1]) / 16


def _blurred(plane: Plane, y: int, x: int) -> float:
    """One pixel of the binomial blur, borders reflected without repeating the edge."""

    def at(i: int, length: int) -> int:
        i = abs(i)
        return i if i < length else 2 * (length - 1) - i

    height, width = plane.shape
    return float(
        sum(
            TAPS[v] * TAPS[u] * plane[at(y + v - 2, height), at(x + u - 2, width)]
            for v in range(5)
            for u in range(5)
        )
    )


def _level(plane: Plane) -> tuple[Plane, Plane]:
    """One level of the Laplacian pyramid and the halved plane, pixel by pixel."""
    plane = plane[: len(plane) // 2 * 2, : plane.shape[1] // 2 * 2]
    small = np.array(
        [
            [_blurred(plane, y, x) for x in range(0, plane.shape[1], 2)]
            for y in range(0, len(plane), 2)
        ]
    )
    spread = np.zeros_like(plane)
    spread[::2, ::2] = 4 * small
    back = [
        [_blurred(spread, *at) for at in ((y, x) for x in range(plane.shape[1]))]
        for y in range(len(plane))
    ]
    return plane - np.array(back), small


def test_the_laplacian_term_sums_the_levels() -> None:
    predicted, alpha, _ = _planes(3, 22, 19)  # odd sides on the way
    found, true, expected = predicted, alpha, 0.0
    for i in range(3):
        (detail, found), (wanted, true) = _level(found), _level(true)
        expected += 2**i * np.abs(detail - wanted).mean()
    _near(vitmatte.laplacian_loss(_tensor(predicted), _tensor(alpha), 3), expected / 3)


def test_a_pyramid_of_a_flat_plane_is_empty() -> None:
    for level in vitmatte.laplacian_pyramid(torch.full((1, 1, 64, 64), 0.7)):
        assert level.abs().max() < 1e-6


def test_known_and_unknown_are_averaged_apart() -> None:
    predicted, alpha, unknown = _planes(4, 64, 64)
    found = vitmatte.vitmatte_loss(*(_tensor(p) for p in (predicted, alpha, unknown)))
    off = np.abs(predicted - alpha)
    _near(found["unknown"], off[unknown == 1].mean())
    _near(found["known"], off[unknown == 0].mean())
    _near(found["total"], sum(float(v) for k, v in found.items() if k != "total"))


def test_a_trimap_without_unknown_pixels_costs_nothing_there() -> None:
    predicted, alpha, _ = (_tensor(p) for p in _planes(4, 64, 64))
    found = vitmatte.vitmatte_loss(predicted, alpha, torch.zeros_like(alpha))
    assert float(found["unknown"]) == float(found["gradient"]) == 0


def test_the_gradient_penalty_is_sobel_s_with_a_smoothness_term() -> None:
    predicted, alpha, unknown = _planes(5, 10, 9)
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
    p, a = np.pad(predicted, 1), np.pad(alpha, 1)
    total = 0.0
    for y, x in zip(*np.nonzero(unknown), strict=True):
        near = slice(y, y + 3), slice(x, x + 3)
        for k in (kernel, kernel.T):
            found, true = (k * p[near]).sum(), (k * a[near]).sum()
            total += abs(found - true) + 0.01 * abs(found)
    planes = (_tensor(q) for q in (predicted, alpha, unknown))
    _near(vitmatte.gradient_penalty(*planes), total / unknown.sum())


# diffmatte


def test_noise_is_mixed_in_by_the_linear_schedule() -> None:
    rng = np.random.default_rng(6)
    matte, noise = rng.uniform(-1, 1, (6, 6)), rng.normal(size=(6, 6))
    for t in (0.0, 0.3, 1.0):
        gamma = max(1 - t, 1e-9)
        expected = 0.2 * gamma**0.5 * matte + (1 - gamma) ** 0.5 * noise
        found = diffusion.add_noise(_tensor(matte), torch.tensor([t]), _tensor(noise))
        assert np.allclose(found[0, 0], expected, atol=1e-6)


def test_standardising_divides_by_each_picture_s_deviation() -> None:
    planes = np.random.default_rng(7).normal(3, 0.1, (2, 1, 8, 8))
    planes[1] *= 40
    found = diffusion.standardise(torch.from_numpy(planes))
    for plane, out in zip(planes, found, strict=True):
        assert np.allclose(out, plane / plane.std(), rtol=1e-6)
    assert torch.isfinite(diffusion.standardise(torch.ones(1, 1, 4, 4))).all()


def test_times_are_uniform_intervals_inside_0_1() -> None:
    later, time = diffmatte.draw_times(20_000, torch.Generator().manual_seed(0))
    assert (0 <= time).all() and (time <= later).all() and (later <= 1).all()
    interval = later - time
    # d ~ U(0, 1) and E[t] = E[u (1 - d)] = 1/4; three standard errors of the mean are 0.006.
    assert abs(float(interval.mean()) - 0.5) < 0.007 and abs(float(time.mean()) - 0.25) < 0.007


def test_the_second_pass_starts_from_what_the_first_found_with_the_same_noise() -> None:
    """A denoiser that answers a x + b t: both passes by hand, and the gradient of the second."""
    rng = np.random.default_rng(8)
    matte, noise = rng.uniform(-1, 1, (8, 8)), rng.normal(size=(8, 8))
    gain = torch.tensor(0.3, requires_grad=True)
    calls: list[float] = []

    def denoise(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        calls.append(float(t[0]))
        return gain * x + 0.1 * t[:, None, None, None]

    def standard(x: Plane) -> Plane:
        return np.asarray(x / max(float(x.std()), 1e-5))

    def mixed(x: Plane, t: float) -> Plane:
        return np.asarray(0.2 * (1 - t) ** 0.5 * x + t**0.5 * noise)

    guess = 0.3 * standard(mixed(matte, 0.75)) + 0.1 * 0.75
    seen = standard(mixed(guess, 0.25))
    found = diffmatte.self_aligned_passes(
        denoise, _tensor(matte), _tensor(noise), torch.tensor([0.75]), torch.tensor([0.25])
    )
    assert calls == [0.75, 0.25]
    assert np.allclose(found.detach()[0, 0], 0.3 * seen + 0.1 * 0.25, atol=1e-5)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert gain.grad is not None
    assert float(gain.grad) == pytest.approx(seen.sum(), abs=1e-3)  # none through the guess


def test_a_denoiser_that_knows_the_matte_has_no_loss() -> None:
    _, alpha, unknown = (_tensor(p) for p in _planes(9, 64, 64))
    parts = diffmatte.diffmatte_loss(
        lambda x, t: 2 * alpha - 1,
        alpha,
        unknown,
        torch.randn(1, 1, 64, 64),
        torch.tensor([0.9]),
        torch.tensor([0.4]),
    )
    smoothness = float(parts.pop("gradient"))
    total = float(parts.pop("total"))
    assert all(float(part) < 1e-6 for part in parts.values())
    assert total == pytest.approx(smoothness, rel=1e-4) and smoothness > 0


def test_diffmatte_adds_the_squared_error_to_vitmatte_s_terms() -> None:
    predicted, alpha, unknown = _planes(10, 64, 64)
    answer = _tensor(2 * predicted - 1)
    parts = diffmatte.diffmatte_loss(
        lambda x, t: answer,
        _tensor(alpha),
        _tensor(unknown),
        torch.randn(1, 1, 64, 64),
        torch.tensor([0.9]),
        torch.tensor([0.4]),
    )
    _near(parts["mse"], float(((2 * predicted - 2 * alpha) ** 2).mean()))
    _near(parts["unknown"], float(np.abs(2 * predicted - 2 * alpha)[unknown == 1].mean()))
    _near(parts["total"], sum(float(v) for k, v in parts.items() if k != "total"))
