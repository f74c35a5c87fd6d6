"""Reliability and temperature of class probabilities, against distributions that are known."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

torch = pytest.importorskip("torch")

from edgematte.errors import OptionError  # noqa: E402
from edgematte.training.evaluate import main  # noqa: E402
from edgematte.training.evaluation.confidence import (  # noqa: E402
    RADIUS_PX,
    STEP_PX,
    Samples,
    calibration_error,
    confidence,
    fitted_temperature,
    likelihood,
    log_probabilities,
    reliability,
    some_pixels,
)


def drawn(count: int, temperature: float, seed: int) -> Samples:
    """Classes drawn from softmax(logits); what is told are the logits times a temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 3)).astype(np.float32)
    chances = np.exp(log_probabilities(logits, 1)).cumsum(axis=1)
    classes = (rng.random((count, 1)) > chances).sum(axis=1).clip(0, 2)
    return Samples(logits * np.float32(temperature), classes)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_of_overconfident_logits_is_found(temperature: float) -> None:
    told = drawn(40_000, temperature, 0)
    found = fitted_temperature(told)
    best = minimize_scalar(lambda t: likelihood(told, t), bounds=(0.25, 4), method="bounded")
    assert found == pytest.approx(best.x, rel=2e-3)
    # 40,000 draws fix it to some 1 %: the curvature of the likelihood there is about 0.3.
    assert found == pytest.approx(temperature, rel=0.04)


def test_reliability_is_counted_bin_by_bin() -> None:
    rng = np.random.default_rng(1)
    said, true = rng.random(1000).astype(np.float32), rng.random(1000) < 0.3
    said[:3] = 1, 0, 1  # one is in the last bin
    bins = reliability(said, true)
    expected = 0.0
    for i in range(15):
        inside = (said >= i / 15) & ((said < (i + 1) / 15) | (i == 14))
        assert bins[i].share == pytest.approx(inside.mean())
        assert bins[i].said == pytest.approx(said[inside].mean(), abs=1e-6)
        assert bins[i].true == pytest.approx(true[inside].mean())
        expected += inside.mean() * abs(said[inside].mean() - true[inside].mean())
    assert calibration_error(bins) == pytest.approx(expected, abs=1e-6)
    assert len(reliability(np.full(5, 0.5), np.ones(5, bool))) == 1  # empty bins are left out


def test_a_temperature_takes_the_error_from_overconfident_pictures() -> None:
    """Half of the pictures fit it, the figures are of the others alone."""
    parts = [drawn(5000, 2.0, seed) for seed in range(8)]
    odd = [drawn(5000, 2.0, seed) if seed % 2 else drawn(5000, 1.0, seed) for seed in range(8)]
    told, apart = confidence(parts), confidence(odd)
    assert told["pictures"] == 4
    assert told["temperature"] == pytest.approx(2, rel=0.05)
    assert apart["temperature"] == pytest.approx(1, rel=0.05)
    assert apart["plain"] == told["plain"]
    for what in ("likeliest", "unknown"):
        assert told["plain"][what]["ece"] > 0.05 > 0.02 > told["tempered"][what]["ece"]
    assert told["tempered"]["nll"] < told["plain"]["nll"]


def test_the_truth_is_the_grown_band_of_the_alpha() -> None:
    alpha = np.zeros((64, 64), np.float32)
    alpha[:, 32:] = 1
    logits = np.random.default_rng(0).random((3, 64, 64), np.float32)
    told = some_pixels(logits, alpha)
    columns = np.arange(STEP_PX // 2, 64, STEP_PX)
    far = np.minimum(abs(columns - 31), abs(columns - 32)) >= RADIUS_PX
    expected = np.where(far, columns >= 32, 2)
    assert (told.classes.reshape(16, 16) == expected).all()
    np.testing.assert_array_equal(told.logits.reshape(16, 16, 3)[1, 2], logits[:, 6, 10])


def test_the_report_has_it_where_it_is_asked_for(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = Path(__file__).parents[2] / "edgematte/weights/lightweight.safetensors"
    pairs = ["--images", str(pictures / "pairs/image"), "--alphas", str(pictures / "pairs/alpha")]
    main([str(shipped), *pairs, "--confidence"])
    told = json.loads(capsys.readouterr().out)["confidence"]
    assert told["pictures"] >= 1
    assert sum(b["share"] for b in told["plain"]["unknown"]["bins"]) == pytest.approx(1)
    with pytest.raises(OptionError, match="--confidence needs photographs with alphas"):
        main([str(shipped), "--confidence", "--test", str(pictures)])
