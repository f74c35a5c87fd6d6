"""--keep-known and --no-keep-known: for which nets they mean something."""

from pathlib import Path

import pytest

from edgematte.cli import main
from edgematte.errors import OptionError
from edgematte.manifest import Host
from edgematte.registry import FAMILIES
from edgematte.runtime.work import Work

ANSWERS = {"vitmatte-s", "vitmatte-b", "vitmatte-tiny"} | {n for n in FAMILIES if "diffmatte" in n}
WHOLE = Host("whole", (96, 64), steps=4, seed=5, clamp_foreground=False, feature_px=16)


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("keep", [True, False])
def test_nets_that_have_no_values_for_known_pixels_refuse_the_choice(
    model: str, keep: bool
) -> None:
    work, host = Work(keep_known=keep), Host("tiles", (48, 32))
    if model in ANSWERS:
        assert work.host(host, model).keep_known is keep
    else:
        with pytest.raises(OptionError, match=f"keep_known has no meaning for {model}"):
            work.host(host, model)
    assert Work().host(host, model) == host


def test_diffmatte_s_tiles_have_no_values_elsewhere() -> None:
    tiles = Host("tiles", (96, 64), steps=4, seed=5, clamp_foreground=False, feature_px=16)
    with pytest.raises(OptionError, match="export it with --graphs whole"):
        Work(keep_known=False).host(tiles, "diffmatte-vits")
    assert Work(keep_known=True).host(tiles, "diffmatte-vits").keep_known is True
    assert Work(keep_known=False).host(WHOLE, "diffmatte-vits").keep_known is False


def test_the_command_refuses_it_for_the_default_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgematte.pictures import write_picture
    from edgematte.testcard import testcard

    write_picture(testcard(32, 24), tmp_path / "a.png")
    given = [str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--no-keep-known"]
    assert main(["matte", *given]) == 2
    assert "keep_known has no meaning for lightweight" in capsys.readouterr().err
    assert not (tmp_path / "b.png").exists()
