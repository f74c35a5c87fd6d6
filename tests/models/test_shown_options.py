"""Options of a net, told by the shapes of a checkpoint that has no config beside it."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from edgematte.checkpoint import build, config_of, load_model, save_model  # noqa: E402
from edgematte.cli import main  # noqa: E402
from edgematte.errors import CheckpointError  # noqa: E402
from edgematte.models.shown_options import RULES, shown_options  # noqa: E402
from edgematte.nets import find, variants  # noqa: E402

pytestmark = pytest.mark.export

OTHERS: dict[str, list[dict[str, int]]] = {
    "lightweight": [{"cfm": 0}, {"ena": 0, "sn_width": 8}, {"cfm": 0, "ena": 0}],
    "regional-tiny": [
        {"depth3": 3, "depth4": 3, "width": 32, "head_width": 8, "decoder": 12, "region": 12},
        {"search_range": 3, "heads": 2, "token": 32},
    ],
    "hdmatt-tiny": [{"cpc": 0, "width": 4}, {"cpc": 1}, {"width": 12}],
    "vitmatte-tiny": [
        {"dim": 48, "depth": 6, "heads": 2, "window": 4, "grid": 6, "pretrained": 9},
        {"group": 3, "local": 1, "depth": 3},
        {"group": 4, "local": 3, "depth": 8},
        {"conv_neck": 0, "group": 3, "local": 2, "depth": 6},
        {"detail": 8, "fusion": 32, "hidden": 4},
    ],
    "diffmatte-vits": [{"dim": 24, "depth": 6, "heads": 2, "grid": 64, "base": 8}],
    "diffmatte-res34": [{"width": 8, "base": 16}],
    "diffmatte-swint": [{"width": 16, "head_width": 8, "depth3": 3, "base": 8}],
    "diffmatte-lightweight": [{"ena": 0}, {"base": 8}],
}


def shapes_of(name: str, options: dict[str, int]) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        model = build(find(name), options)
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


@pytest.mark.parametrize("name", variants())
def test_every_option_is_shown_or_known_to_be_hidden(name: str) -> None:
    known = find(name)
    kind = known.network.partition(":")[2]
    for options in ({}, *OTHERS.get(name, [])):
        wanted = {**known.config, **options}
        found = shown_options(kind, shapes_of(name, options))
        hidden = set(RULES[kind].hidden)
        assert found.keys() | hidden == wanted.keys() and not found.keys() & hidden
        assert found == {k: v for k, v in wanted.items() if k not in hidden}


def test_where_windows_and_grid_have_one_side_local_stays_the_variants() -> None:
    options = {"window": 8, "grid": 8, "local": 0}
    assert "local" not in shown_options("ViTMatte", shapes_of("vitmatte-tiny", options))


def test_the_checkpoint_for_pictures_of_1024_loads_without_a_config(tmp_path: Path) -> None:
    """ViTS_1024's tables are made for a grid of 64; a narrow one of the same layout here."""
    known = find("diffmatte-vits")
    model = build(known, {"dim": 24, "depth": 3, "heads": 2, "grid": 64, "base": 8})
    torch.save(model.state_dict(), tmp_path / "ViTS_1024.pth")
    loaded, weights = load_model(known, tmp_path / "ViTS_1024.pth")
    assert config_of(loaded) == config_of(model)
    assert "by its shapes: dim 24, depth 3, " in weights.source and "grid 64" in weights.source
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


def test_what_no_shape_shows_is_named_and_a_config_gives_it(tmp_path: Path) -> None:
    known = find("regional-tiny")
    model = build(known, {"depth3": 3, "k": 5, "aliasing": 0})
    file = tmp_path / "net.safetensors"
    save_model(model, {}, file)
    loaded, weights = load_model(known, file)
    assert config_of(loaded)["depth3"] == 3 and config_of(loaded)["k"] == 8
    assert weights.source == (
        "net.safetensors (by its shapes: depth3 3; as in regional-tiny, for no shape shows it: "
        "k 8, aliasing 1, last_shift 0)"
    )
    save_model(model, {"k": 5, "aliasing": 0}, file)
    loaded, weights = load_model(known, file)
    assert config_of(loaded) == config_of(model)
    assert "for no shape shows it: last_shift 0)" in weights.source


@pytest.mark.parametrize(
    ("config", "said"), [({"grid": 32}, "grid 32, its tensors 8"), ({"dim": 7}, "dim 7, its")]
)
def test_a_config_that_its_tensors_contradict_is_refused(
    config: dict[str, Any], said: str, tmp_path: Path
) -> None:
    known = find("vitmatte-tiny")
    save_model(build(known), {**known.config, **config}, tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError, match=f"the config beside it says {said}"):
        load_model(known, tmp_path / "net.safetensors")


def test_options_are_listed_as_numbers_as_configs_and_manifests_hold_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "--json"]) == 0
    listed = {row["name"]: row["config"] for row in json.loads(capsys.readouterr().out)}
    assert listed["lightweight"] == {"cfm": 1, "ena": 1, "k": 16, "sn_width": 16}
    assert {type(v) for config in listed.values() for v in config.values()} == {int}


def test_an_odd_width_has_no_two_halves(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    save_model(build(find("lightweight")), {}, file)
    file.with_suffix(".json").write_text('{"sn_width": 15}')
    with pytest.raises(CheckpointError, match="no lightweight .sn_width 15: octave features have"):
        load_model(find("lightweight"), file)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('{"heads": 0}', "the config beside it makes no vitmatte-tiny .heads 0: "),
        ('{"dim": -8}', "the config beside it makes no vitmatte-tiny .dim -8: "),
        ('{"dim": 1e999}', "is not a config .cannot convert float infinity"),
        ('{"dim": 99999992}', "the config beside it says dim 99999992, its tensors 96"),
        ("[" * 100_000, "is not a config .it is nested too deep"),
    ],
)
def test_a_config_of_nonsense_is_a_sentence(config: str, says: str, tmp_path: Path) -> None:
    """The widest would be 400 TB: nothing is made before the file's shapes are compared."""
    variant = find("vitmatte-tiny")
    file = tmp_path / "net.safetensors"
    save_model(build(variant), {}, file)
    file.with_suffix(".json").write_text(config)
    with pytest.raises(CheckpointError, match=says):
        load_model(variant, file)
