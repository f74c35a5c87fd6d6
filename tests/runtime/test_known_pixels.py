"""``keep_known``: for which nets it means something."""

from pathlib import Path
from typing import Any

import pytest

from edgematte.cli import main
from edgematte.errors import OptionError
from edgematte.host import Host
from edgematte.nets import find, variants
from edgematte.runtime.net_options import read_load_options
from edgematte.runtime.nets.diffmatte.host import TilesHost, WholeHost
from edgematte.runtime.nets.vitmatte.host import TilesHost as ViTHost
from edgematte.runtime.pipeline import pipeline_for

ANSWERS = {"vitmatte-s", "vitmatte-b", "vitmatte-tiny"} | {
    n for n in variants() if "diffmatte" in n
}
WHOLE = WholeHost(size=(96, 64), steps=4, seed=5, clamp_foreground=False, feature_px=16)
TILES = TilesHost(**vars(WHOLE), patch=48, overlap=8)
VIT = ViTHost(size=(48, 32), overlap=8, padding=(0.5, 0.5, 0.5))


def never(**inputs: Any) -> dict[str, Any]:
    raise AssertionError("nothing should run")


def host_of(model: str, host: Host, keep: bool | None) -> Any:
    """The host section that a loaded bundle works by."""
    options = read_load_options(find(model), {"keep_known": keep})
    graphs = dict.fromkeys(("matte", "encode", "denoise"), never)
    made: Any = pipeline_for(find(model), host, graphs, options=options).pipeline
    return made.host


@pytest.mark.parametrize("model", variants())
@pytest.mark.parametrize("keep", [True, False])
def test_nets_that_have_no_values_for_known_pixels_refuse_the_choice(
    model: str, keep: bool
) -> None:
    if model in ANSWERS:
        host: Any = VIT if model.startswith("vitmatte") else WHOLE
        assert host_of(model, host, keep).keep_known is keep
        assert host_of(model, host, None) == host
    else:
        with pytest.raises(OptionError, match=f"keep_known has no meaning for {model}"):
            read_load_options(find(model), {"keep_known": keep})
        read_load_options(find(model), {"keep_known": None})


def test_diffmatte_s_tiles_have_no_values_elsewhere() -> None:
    with pytest.raises(OptionError, match="denoises tiles .*export the cut whole"):
        host_of("diffmatte-vits", TILES, False)
    assert host_of("diffmatte-vits", TILES, True).keep_known is True
    assert host_of("diffmatte-vits", WHOLE, False).keep_known is False


def test_the_command_refuses_it_for_the_default_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgematte.pictures import write_picture
    from edgematte.testcard import testcard

    write_picture(testcard(32, 24), tmp_path / "a.png")
    given = [str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--no-keep-known"]
    assert main(["matte", *given]) == 2
    assert "--keep-known has no meaning for lightweight" in capsys.readouterr().err
    assert not (tmp_path / "b.png").exists()
