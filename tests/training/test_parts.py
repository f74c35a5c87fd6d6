"""Networks of a model trained apart from the rest of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edgematte.checkpoint import load_model, random_model
from edgematte.errors import OptionError
from edgematte.nets import find
from edgematte.runtime.host.trimap import UNKNOWN
from edgematte.training.engine.checkpoint import save_weights
from edgematte.training.engine.run import Run
from edgematte.training.join import main
from edgematte.training.pictures.data import WHOLE
from edgematte.training.pictures.sources import Library
from edgematte.training.recipe.parts import make_refining, make_scene_alone
from edgematte.training.recipe.schedule import Settings, Stage
from edgematte.training.recipes import recipe

STAGES = (Stage(0.5, 128, 64, 2), Stage(1.0, 128, 64, 2, keep_norms=True))


SN = ["lightweight", "sn"]


def run(
    part: str, output: Path, steps: int = 6, model: str = "lightweight"
) -> Run[torch.nn.Module]:
    options = {"ena": 0} if model == "lightweight" else {}
    made, _ = random_model(find(model), options, 0)
    settings = Settings(output, steps, stages=STAGES, workers=0)
    return Run(recipe(model, part), settings, Library(), made, tune=True)


@pytest.mark.parametrize(
    ("name", "part"),
    [("lightweight", "sn"), ("lightweight", "mrn"), ("regional-tiny", "coarse_net")],
    ids=["sn", "mrn", "coarse_net"],
)
def test_one_network_learns_and_the_rest_stays_to_the_bit(
    name: str, part: str, tmp_path: Path
) -> None:
    """Weights and BatchNorm's statistics alike, in the model and in what is saved."""
    learning = run(part, tmp_path, model=name)
    state = learning.learner.model.state_dict()
    before = {name: value.clone() for name, value in state.items()}
    learning.train()
    for model in (learning.learner.model, learning.learner.average.model):
        for name, value in model.state_dict().items():
            same = torch.equal(value, before[name])
            if not name.startswith(f"{part}."):
                assert same, name
            elif value.ndim == 4 or name.endswith("running_mean"):
                assert not same, name
    assert set(learning.losses) >= {"total"} and np.isfinite(learning.losses["total"])


def test_a_run_of_one_network_is_not_gone_on_with_as_another(tmp_path: Path) -> None:
    run("sn", tmp_path, 1).train()
    with pytest.raises(OptionError, match="part sn, not mrn"):
        run("mrn", tmp_path, 2)


def test_parts_that_do_not_exist_are_named() -> None:
    with pytest.raises(OptionError, match="no such part to train alone: sn, mrn"):
        recipe("lightweight", "ena")
    with pytest.raises(OptionError, match="vitmatte-s has no such part"):
        recipe("vitmatte-s", "mrn")


def test_networks_trained_apart_are_joined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ones, states = [], []
    for seed in (1, 2):
        model, _ = random_model(find("lightweight"), {}, seed)
        (tmp_path / f"{seed}").mkdir()
        save_weights(model, {"model": "lightweight"}, tmp_path / f"{seed}")
        ones.append(str(tmp_path / f"{seed}"))
        states.append(model.state_dict())
    assert main([*SN, *ones, str(tmp_path / "both")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "both" / "model.safetensors")
    both, _ = load_model(find("lightweight"), tmp_path / "both")
    for name, value in both.state_dict().items():
        assert torch.equal(value, states[name.startswith("mrn.")][name]), name
    back = ["--towards", ones[1], "0.25"]
    assert main([*SN, *ones, str(tmp_path / "between"), *back]) == 0
    between, _ = load_model(find("lightweight"), tmp_path / "between")
    for name, value in between.state_dict().items():
        if name.startswith("sn.") and value.is_floating_point():
            wanted = 0.75 * states[0][name] + 0.25 * states[1][name]
            torch.testing.assert_close(value, wanted)
    assert main(["lightweight", "ena", *ones, str(tmp_path / "bad")]) == 2
    assert "no such part" in capsys.readouterr().err
    assert main([*SN, *ones, str(tmp_path / "bad"), "--towards", ones[1], "2"]) == 2
    assert "share 2: a number from 0 to 1" in capsys.readouterr().err
    other, _ = random_model(find("lightweight"), {"ena": 0}, 0)
    save_weights(other, {"model": "lightweight", "ena": 0}, tmp_path / "both")
    assert main([*SN, ones[0], str(tmp_path / "both"), str(tmp_path / "bad")]) == 2
    assert "has other options" in capsys.readouterr().err
    assert main([*SN, ones[0], str(tmp_path / "none"), str(tmp_path / "bad")]) == 2
    assert "no checkpoint at" in capsys.readouterr().err and not (tmp_path / "bad").exists()


def test_mrn_is_shown_trimaps_and_scenes() -> None:
    given = [make_refining(np.random.default_rng(i), Library(), 128, 64) for i in range(40)]
    trimaps = [sample.trimap for sample in given if sample.trimap is not None]
    assert 19 < len(trimaps) < 37  # 28 of 40; three deviations
    for sample in given:
        assert sample.image.shape == (128, 128, 3) and sample.crop_image.shape == (64, 64, 3)
        if sample.trimap is not None:
            outside = sample.trimap != UNKNOWN
            alpha = sample.crop_alpha[outside].astype(int)
            assert (np.abs(alpha - sample.trimap[outside].astype(int)) <= 2).all()
    assert any(sample.box != WHOLE for sample in given)


def test_what_looks_for_the_subject_is_shown_whole_scenes_alone() -> None:
    for seed in range(10):
        sample = make_scene_alone(np.random.default_rng(seed), Library(), 128, 64)
        assert sample.box == WHOLE and sample.trimap is None
        assert sample.image.shape == (128, 128, 3)
