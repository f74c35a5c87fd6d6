import json
from typing import Any

import pytest

from edgematte.cli import main
from edgematte.nets import find, variants
from edgematte.published import COUNTS

Capture = pytest.CaptureFixture[str]


def test_every_model_with_its_counts_beside_the_published_ones(capsys: Capture) -> None:
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    assert not err
    for name, variant in variants().items():
        assert f"{name}: {variant.paper}" in out
        for count in COUNTS.get(name, ()):
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


ROWS = [(name, i) for name, counts in COUNTS.items() for i in range(len(counts))]


@pytest.mark.export
@pytest.mark.parametrize(("name", "row"), ROWS)
def test_the_parameters_are_those_of_the_network_that_is_built(name: str, row: int) -> None:
    """And within a thousandth of the published ones, which are rounded to 10.

    What the table says of multiply-adds is asserted where each network's are counted, in
    tests/models.
    """
    torch = pytest.importorskip("torch")
    from edgematte.checkpoint import build

    count = COUNTS[name][row]
    with torch.device("meta"):
        model: Any = build(find(name), count.config)
    found = sum(p.numel() for p in model.parameters())
    if name == "diffmatte-res34":  # a checkpoint holds u and v of each convolution's norm too
        modules = model.encoder.modules()
        convolutions = [m for m in modules if isinstance(m, torch.nn.Conv2d)]
        found += sum(c.out_channels + c.weight[0].numel() for c in convolutions)
    assert count.parameters == found
    told = name == "diffmatte-swint"  # by a README, beyond what its code builds
    if count.published_parameters != "none" and not told:  # hdmatt's paper gives no figures
        published = float(count.published_parameters.rstrip("K")) * 1000
        assert found == pytest.approx(published, rel=1e-3)
