import json

import pytest

from edgematte.cli import main
from edgematte.registry import FAMILIES

Capture = pytest.CaptureFixture[str]


def test_every_model_with_its_counts_beside_the_published_ones(capsys: Capture) -> None:
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    assert not err
    for family in FAMILIES.values():
        assert f"{family.name}: {family.paper}" in out
        for count in family.counts:
            found = [li for li in out.splitlines() if f"{count.parameters:,}" in li]
            (line,) = [li for li in found if f"  {count.what}" in li]
            assert count.apart in line
            assert count.published_parameters in line and count.published_macs_g in line


def test_diffmatte_swint_has_both_figures(capsys: Capture) -> None:
    main(["models"])
    (line,) = [li for li in capsys.readouterr().out.splitlines() if "38,753,560 " in li]
    assert "48800K" in line and "48.8 M in their README; their code builds 38,753,560" in line


def test_json_of_the_models(capsys: Capture) -> None:
    assert main(["models", "--json"]) == 0
    (first, *_) = json.loads(capsys.readouterr().out)
    assert first["name"] == "lightweight"
    assert {"config", "parameters", "macs_g"} <= set(first["counts"][0])


def test_our_counts_are_within_a_thousandth_of_the_published_ones() -> None:
    """The published figures are rounded to 10 parameters and 0.01 GMAC.

    Those of a regional frame are means over frames, whose regions we know to a few per cent;
    where the publishers counted otherwise, the row says how, and the model's own test proves it.
    """
    for family in FAMILIES.values():
        for count in family.counts:
            if count.published_parameters == "none":  # hdmatt's paper gives no figures
                continue
            published = float(count.published_parameters.rstrip("K")) * 1000
            told = family.name == "diffmatte-swint"  # by a README, beyond what its code builds
            if not told:
                assert count.parameters == pytest.approx(published, rel=1e-3)
            apart = 0.02 if count.what == "512x512" else 0.02 * count.macs_g
            if count.apart and not told:
                apart = 0.1 * count.macs_g
            assert count.macs_g == pytest.approx(float(count.published_macs_g), abs=apart)
