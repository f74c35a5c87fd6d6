"""A wider variant that starts from a narrower one's weights."""

from pathlib import Path

import pytest
import torch

from edgematte.checkpoint import load_model, random_model
from edgematte.cli.streams import as_program
from edgematte.models.lightweight.network import Lightweight
from edgematte.nets import find
from edgematte.training.engine.checkpoint import save_weights
from edgematte.training.widen import main, widened

NARROW = {"ena": 0}


@pytest.fixture
def narrow(tmp_path: Path) -> Path:
    """A folder with random weights of the lightweight net."""
    model, _ = random_model(find("lightweight"), NARROW, 0)
    (tmp_path / "narrow").mkdir()
    save_weights(model, {"model": "lightweight", **NARROW}, tmp_path / "narrow")
    return tmp_path / "narrow"


def test_the_wide_net_answers_as_the_narrow_one_and_has_no_equal_channels(
    narrow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In training mode too, whose statistics are a batch's; after a step its copies differ."""
    main(["lightweight", str(narrow), "lightweight-wide", str(narrow.parent / "wide")])
    assert "answers moved by up to" in capsys.readouterr().out
    (small, _), (large, _) = (
        load_model(find(name), narrow.parent / folder)
        for name, folder in (("lightweight", "narrow"), ("lightweight-wide", "wide"))
    )
    assert isinstance(small, Lightweight) and isinstance(large, Lightweight)
    assert large.config["sn_width"] == 32 and large.config["ena"] == 0
    image = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    for training in (False, True):
        first, second = (model.train(training).sn(image)[0] for model in (small, large))
        torch.testing.assert_close(first, second, atol=2e-4, rtol=0)
    second.square().mean().backward()
    gradient = large.get_parameter("sn.en3.0.first.high_to_high.weight").grad
    assert gradient is not None
    apart = (gradient[0::2] - gradient[1::2]).abs().max()
    assert apart > 1e-2 * gradient.abs().max()


def test_a_convolutions_columns_are_shared_out_and_its_rows_repeated() -> None:
    weight = torch.arange(12.0).reshape(2, 3, 1, 2) + 1
    found = widened(weight, (4, 9, 1, 2), torch.Generator().manual_seed(0))
    assert found is not None
    whole = found.reshape(4, 3, 3, 1, 2)
    torch.testing.assert_close(whole.sum(dim=2), weight.repeat_interleave(2, dim=0))
    assert (whole > 0).all() and len(set(whole[0, 0].flatten().tolist())) == 6
    depthwise = torch.rand(3, 1, 3, 3)
    once = widened(depthwise, (6, 1, 3, 3), torch.Generator())
    assert once is not None and torch.equal(once[::2], depthwise)
    for shape in [(3, 3, 1, 2), (2, 4, 1, 2), (4, 3, 1, 1), (4, 3)]:
        assert widened(weight, shape, torch.Generator()) is None


@pytest.mark.parametrize(
    ("wide", "told"),
    [
        ("vitmatte-tiny", "vitmatte-tiny is no variant of the net of lightweight"),
        ("nonsense", "unknown model 'nonsense'"),
    ],
)
def test_what_is_no_wider_variant_is_one_sentence_and_writes_nothing(
    narrow: Path, wide: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["lightweight", str(narrow), wide, str(narrow.parent / "out")]
    with pytest.raises(SystemExit) as end:
        as_program("widen", lambda: main(arguments))
    assert end.value.code == 2 and told in capsys.readouterr().err
    assert not (narrow.parent / "out").exists()


def test_a_narrower_one_is_refused(narrow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lightweight", str(narrow), "lightweight-wide", str(narrow.parent / "wide")])
    wide, back = (str(narrow.parent / name) for name in ("wide", "back"))
    arguments = ["lightweight-wide", wide, "lightweight", back]
    with pytest.raises(SystemExit):
        as_program("widen", lambda: main(arguments))
    assert "not a whole number of times as wide" in capsys.readouterr().err
