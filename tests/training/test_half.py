"""Weights in half precision: half the size, the same mattes."""

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file

from edgematte.checkpoint import load_model, random_model, save_model  # noqa: E402
from edgematte.errors import CheckpointError  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.testcard import testcard as card  # noqa: E402
from edgematte.training import half as module  # noqa: E402
from edgematte.training.half import LARGE, half, main  # noqa: E402


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, _ = random_model(find("vitmatte-tiny"), {}, 0)
    file = tmp_path_factory.mktemp("weights") / "whole.safetensors"
    save_model(model, {}, file)
    return file


def test_half_the_bytes_give_the_same_alpha(tiny: Path, tmp_path: Path) -> None:
    """The file is read by name like any other, its config beside it."""
    file = tmp_path / "net.safetensors"
    main(["vitmatte-tiny", str(tiny), str(file)])
    assert file.stat().st_size < 0.6 * tiny.stat().st_size
    (whole, _), (read, weights) = (load_model(find("vitmatte-tiny"), f) for f in (tiny, file))
    assert "float16 converted to float32" in weights.source
    assert read.config == whole.config
    picture = torch.from_numpy(card(96, 64)).permute(2, 0, 1)[None] / 255
    trimap = torch.zeros(1, 1, 64, 96)
    trimap[..., 20:70], trimap[..., 30:50] = 0.5, 1
    with torch.inference_mode():
        alphas = [model(picture, trimap).numpy() for model in (whole, read)]
    np.testing.assert_allclose(alphas[0], alphas[1], atol=1e-3)  # what it promises
    assert np.ptp(alphas[0]) > 0.01  # random weights let the picture through
    for name, value in whole.state_dict().items():
        if value.numel() < LARGE:
            assert torch.equal(read.state_dict()[name], value), name


def test_what_half_precision_would_harm_is_refused_and_nothing_written(tmp_path: Path) -> None:
    model, _ = random_model(find("vitmatte-tiny"), {}, 0)
    large = next(p for p in model.parameters() if p.numel() >= LARGE)
    with torch.no_grad():
        large[(0,) * large.ndim] = 1e6  # half precision ends at 65504
    save_model(model, {}, tmp_path / "whole.safetensors")
    with pytest.raises(CheckpointError, match="half precision cannot hold"):
        half(find("vitmatte-tiny"), tmp_path / "whole.safetensors", tmp_path / "net.safetensors")
    assert not list(tmp_path.glob("net*"))


def test_the_tensor_that_moves_answers_most_stays_whole(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halved all are off by more than is allowed, without the worst of them by less."""
    file = tmp_path / "net.safetensors"
    monkeypatch.setattr(module, "ALLOWED", math.inf)
    all_halved = half(find("vitmatte-tiny"), tiny, file)
    monkeypatch.setattr(module, "ALLOWED", 0.9 * all_halved)
    assert half(find("vitmatte-tiny"), tiny, file) <= 0.9 * all_halved
    stored = load_file(file)
    large = {name: value.dtype for name, value in stored.items() if value.numel() >= LARGE}
    whole = [name for name, dtype in large.items() if dtype == torch.float32]
    assert 0 < len(whole) <= math.ceil(len(large) / 4)
    monkeypatch.setattr(module, "ALLOWED", 0.0)
    with pytest.raises(CheckpointError, match="ship it as it is"):
        half(find("vitmatte-tiny"), tiny, tmp_path / "none.safetensors")
    assert not list(tmp_path.glob("none*"))


def test_another_ending_is_refused_in_a_line(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        from edgematte.cli.streams import as_program

        as_program("half", lambda: main(["vitmatte-tiny", str(tiny), str(tmp_path / "net.pth")]))
    assert ended.value.code == 2
    assert "half: " in (err := capsys.readouterr().err) and ".safetensors" in err
    assert len(err.splitlines()) == 1
