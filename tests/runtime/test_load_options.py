"""What a caller asks of a loaded bundle reaches the part that it is for, or is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgematte
from edgematte.errors import OptionError
from edgematte.host import Host
from edgematte.manifest import FORMAT, STAGE, Graph, Manifest, Tensor, Weights
from edgematte.net import load_part
from edgematte.nets import find, variants
from edgematte.options import declared
from edgematte.runtime import load as loading
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.capabilities import Batched, Explains, Limited, Resumable, able, require
from edgematte.runtime.engines import EngineOptions
from edgematte.runtime.matter import Matter
from edgematte.runtime.net_options import read_load_options
from edgematte.runtime.nets.diffmatte.host import WholeHost
from edgematte.runtime.nets.hdmatt.host import PatchesHost
from edgematte.runtime.nets.hdmatt.pipeline import Patches
from edgematte.runtime.nets.regional.host import Options as RegionOptions
from edgematte.runtime.nets.regional.host import RegionsHost
from edgematte.runtime.nets.vitmatte.host import TilesHost

HOSTS: dict[str, Host] = {
    "regional": RegionsHost(size=(64, 64), regions=4, max_regions=7),
    "vitmatte-s": TilesHost(size=(64, 64), overlap=8, padding=(0.5, 0.5, 0.5)),
    "hdmatt": PatchesHost(size=(16, 16), patch=16, overlap=4, k=2, candidates=30),
    "diffmatte-vits": WholeHost(
        size=(64, 64), steps=10, seed=1, stop_below=0.01, clamp_foreground=False, feature_px=16
    ),
}
GRAPHS = {
    "regional": ("coarse", "refine"),
    "vitmatte-s": ("matte", STAGE),
    "hdmatt": ("bank", "query"),
    "diffmatte-vits": ("encode", "denoise"),
}
PICTURE = np.zeros((64, 64, 3), np.uint8)
ASKED = {"steps": 3, "max_regions": 4, "budget_ms": 40.0, "memory_mb": 300.0, "keep_known": True}


class Engine:
    """Alpha is 0; keeps how many tiles each call took."""

    calls: list[int]

    def __init__(self) -> None:
        self.calls = []

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        count = len(next(iter(inputs.values())))
        self.calls.append(count)
        return {
            "alpha": np.zeros((count, 1, 64, 64), np.float32),
            "cell": np.zeros((count, 1, 8, 8), np.float32),
        }


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """In place of every engine."""
    made = Engine()
    monkeypatch.setattr(loading, "open_engine", lambda *_, **__: made)
    return made


def tensor(name: str, count: int, *shape: int) -> Tensor:
    return Tensor(name, (count, *shape), "float32", "NCHW", (0.0, 1.0), "of the tests")


INPUTS = {
    "matte": (tensor("image", 1, 3, 64, 64), tensor("trimap", 1, 1, 64, 64)),
    "refine": (tensor("region", 4, 4, 8, 8),),
}
OUTPUTS = {
    "matte": (tensor("alpha", 1, 1, 64, 64),),
    "refine": (tensor("cell", 4, 1, 8, 8),),
}


def loaded(
    model: str, options: dict[str, Any], batch: int = 1, dynamic: tuple[str, ...] = ()
) -> Matter:
    """As `load` puts a bundle of the model together; ``dynamic`` names graphs of dynamic batch."""
    graphs = tuple(
        Graph(name, INPUTS.get(name, ()), OUTPUTS.get(name, ()), dynamic_batch=name in dynamic)
        for name in GRAPHS[model]
    )
    origin = Weights("none", "0" * 64)
    manifest = Manifest(FORMAT, model, "onnx", "fp32", {}, HOSTS[model], graphs, origin, {})
    settings = EngineOptions(batch=batch)
    return loading.matter_from(Bundle(Path("none"), manifest), "onnxruntime", settings, options)


@pytest.mark.parametrize("model", HOSTS)
def test_without_options_the_bundles_own_hold(model: str, engine: Engine) -> None:
    pipeline = loaded(model, {}).pipeline
    assert pipeline.host == HOSTS[model]
    assert loaded(model, dict.fromkeys(ASKED)).pipeline.host == HOSTS[model]  # None: not asked
    if model == "regional":
        assert pipeline.limits == RegionOptions(max_regions=7)
    if model == "hdmatt":
        assert pipeline.memory_mb is None


@pytest.mark.parametrize(
    "given",
    [
        {"steps": 3},
        {"seed": 0},  # which is a seed, and no absence of one
        {"stop_below": 0.0},  # which never stops, where the bundle's would
        {"steps": 1, "seed": 7, "stop_below": 0.5},
    ],
)
def test_settings_of_steps_replace_the_bundles(given: dict[str, Any], engine: Engine) -> None:
    host = loaded("diffmatte-vits", given).pipeline.host
    assert vars(host) == vars(HOSTS["diffmatte-vits"]) | given


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"steps": 3}, "steps has"),
        ({"seed": 0}, "seed has"),
        ({"steps": 3, "stop_below": 0.0}, "steps and stop_below have"),
    ],
)
def test_settings_of_steps_are_refused_by_nets_without(given: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=f"^{named} no meaning for lightweight"):
        edgematte.load(**given)


@pytest.mark.parametrize("model", variants())
@pytest.mark.parametrize("name", ASKED)
def test_an_option_is_taken_by_the_nets_that_declare_it_and_refused_by_others(
    model: str, name: str
) -> None:
    """The refusal names those that there are."""
    options = find(model).net.options
    known = [row.name for row in declared(load_part(options))] if options else []
    if name in known:
        assert getattr(read_load_options(find(model), {name: ASKED[name]}), name) == ASKED[name]
        return
    with pytest.raises(OptionError, match=f"^{name} has no meaning for {model}") as caught:
        read_load_options(find(model), {name: ASKED[name]})
    assert all(one in str(caught.value) for one in known)


def test_the_options_of_the_five_nets_are_those_they_had() -> None:
    found = {
        name: {row.name for row in declared(load_part(find(name).net.options))} for name in HOSTS
    }
    assert found == {
        "regional": {"max_regions", "budget_ms"},
        "vitmatte-s": {"keep_known"},
        "hdmatt": {"memory_mb"},
        "diffmatte-vits": {"steps", "seed", "stop_below", "keep_known"},
    }
    assert not find("lightweight").net.options


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({"max_regions": 0}, RegionOptions(0)),  # none at all, and no absence of a limit
        ({"budget_ms": 40.0}, RegionOptions(7, 40.0)),  # beside the bundle's own number
        ({"max_regions": 5, "budget_ms": 1.5}, RegionOptions(5, 1.5)),
    ],
)
def test_limits_reach_the_net_of_regions_as_it_is_loaded_and_later(
    given: dict[str, Any], limits: RegionOptions, engine: Engine
) -> None:
    assert loaded("regional", given).pipeline.limits == limits
    matter = loaded("regional", {})
    matter.limit(**given)
    assert matter.pipeline.limits == limits


@pytest.mark.parametrize("model", ["vitmatte-s", "hdmatt", "diffmatte-vits"])
def test_limits_are_refused_by_other_nets(model: str, engine: Engine) -> None:
    matter = loaded(model, {})
    for name in ("max_regions", "budget_ms"):
        with pytest.raises(OptionError, match=f"^{name} has no meaning for {model}.*no regions"):
            matter.limit(**{name: 5})
    with pytest.raises(OptionError, match="max_regions -1: at least 0"):
        loaded("regional", {}).limit(max_regions=-1)


@pytest.mark.parametrize("megabytes", [0.0, 300.0])
def test_memory_reaches_the_net_whose_trimap_comes_from_elsewhere(
    megabytes: float, engine: Engine
) -> None:
    assert loaded("hdmatt", {"memory_mb": megabytes}).pipeline.memory_mb == megabytes


def test_a_batch_reaches_the_tiles_of_a_dynamic_graph(engine: Engine) -> None:
    trimap = np.full((64, 176), 128, np.uint8)  # 3 tiles of 64 that share 8
    picture = np.zeros((64, 176, 3), np.uint8)
    loaded("vitmatte-s", {}, batch=2, dynamic=("matte",))(picture, trimap)  # the stage's is static
    assert engine.calls == [2, 1]
    engine.calls.clear()
    loaded("vitmatte-s", {}, dynamic=("matte",))(picture, trimap)
    assert engine.calls == [1, 1, 1]


@pytest.mark.parametrize(
    ("model", "dynamic"), [("vitmatte-s", ()), ("hdmatt", ("query",)), ("regional", ("refine",))]
)
def test_a_batch_is_refused_where_calls_take_one(
    model: str, dynamic: tuple[str, ...], engine: Engine
) -> None:
    with pytest.raises(OptionError, match=f"batch 4: this bundle of {model}.*dynamic batch"):
        loaded(model, {}, batch=4, dynamic=dynamic)
    assert not engine.calls


def test_what_can_be_resumed_and_explained_is_asked_for_in_one_way(
    engine: Engine, tmp_path: Path
) -> None:
    net = loaded("hdmatt", {}).pipeline
    assert isinstance(net, Patches)
    assert require(net, Resumable, "hdmatt", "a journal") is net
    assert able(net, Explains) is net
    assert able(net, Batched) is None and able(net, Limited) is None
    for model in ("regional", "vitmatte-s", "diffmatte-vits"):
        matter = loaded(model, {})
        trimap = None if model == "regional" else np.full((64, 64), 128, np.uint8)
        with pytest.raises(OptionError, match=f"^a journal has no meaning for {model}"):
            matter(PICTURE, trimap, journal=tmp_path / "j")
        with pytest.raises(OptionError, match=f"^an explanation has no meaning for {model}"):
            matter.explain(PICTURE, trimap)
    assert not engine.calls and not (tmp_path / "j").exists()
