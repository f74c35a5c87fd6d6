"""Every program in samples/ runs as its first lines say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


def run(name: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, str(SAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_sample_is_tested_here() -> None:
    assert {p.name for p in SAMPLES.glob("*.py")} == {
        "matte_photo.py",
        "export_and_check.py",
        "finetune.py",
        "portrait_video.py",
        "vitmatte_from_hub.py",
        "gradio_app.py",  # in test_gradio_sample.py
    }


def test_matte_photo(tmp_path: Path) -> None:
    said = run("matte_photo.py", folder=tmp_path)
    cutout = np.asarray(Image.open(tmp_path / said.splitlines()[-1]))
    assert cutout.shape == (512, 512, 4)
    assert cutout[..., 3].std() > 40  # the shipped weights tell subject from background
    assert "graph.segment" in said


@pytest.mark.export
def test_export_and_check(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    said = run("export_and_check.py", ".", folder=tmp_path)
    assert "end-to-end" in said and "!!" not in said
    assert Image.open(tmp_path / "cutout.png").mode == "RGBA"


@pytest.mark.export
def test_finetune(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    random = np.random.default_rng(0)
    for name in ("cutouts", "backgrounds"):
        (tmp_path / name).mkdir()
    y, x = np.mgrid[:96, :96] - 48
    for i in range(3):
        noise = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize((96, 96), Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"backgrounds/{i}.png")
        disc = np.clip((30 + 5 * i - np.hypot(x, y)) / 6 + 0.5, 0, 1)
        picture.putalpha(Image.fromarray((255 * disc).astype(np.uint8)))
        picture.save(tmp_path / f"cutouts/{i}.png")
    said = run("finetune.py", "cutouts", "backgrounds", "tuned", "2", folder=tmp_path)
    bundle, cutout = (tmp_path / line for line in said.splitlines()[-2:])
    assert (bundle / "edgematte.json").is_file()
    alpha = np.asarray(Image.open(cutout))[..., 3]
    assert alpha.std() > 40  # two steps do not make the shipped weights forget


@pytest.mark.export
def test_vitmatte_from_hub(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from safetensors.torch import save_file

    from edgematte.checkpoint import random_model
    from edgematte.models.vitmatte.keys import to_official
    from edgematte.nets import find

    model, _ = random_model(find("vitmatte-tiny"), {}, 0)
    theirs = {k: v.contiguous() for k, v in to_official(model.state_dict()).items()}
    hub = tmp_path / "vitmatte-tiny-random"
    hub.mkdir()
    save_file(theirs, hub / "model.safetensors")
    (hub / "config.json").write_text('{"model_type": "vitmatte", "hidden_size": 96}')
    (hub / "preprocessor_config.json").write_text(
        '{"do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}'
    )
    said = run("vitmatte_from_hub.py", str(hub), "out", "vitmatte-tiny", "192", folder=tmp_path)
    assert "vitmatte-tiny-random (normalisation: preprocessor_config.json, mean 0.5 0.5 0.5" in said
    assert "graph.trimap_stage" in said and "graph.matte" in said
    made = np.asarray(Image.open(tmp_path / said.splitlines()[-1]))
    assert made.shape == (512, 512, 4)
    assert made[..., 3].std() > 40  # the trimap alone tells subject from background


def test_portrait_video(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    said = run("portrait_video.py", "out", folder=tmp_path)
    assert said.startswith("24 frames of 384x384")
    with av.open(str(tmp_path / said.splitlines()[-1])) as file:
        frames = [f.to_ndarray(format="rgba") for f in file.decode(video=0)]
    assert len(frames) == 24 and frames[0].shape == (384, 384, 4)
    assert min(f[..., 3].std() for f in frames) > 30  # subject and background in every frame
    assert np.abs(frames[0][..., :3].astype(int) - frames[-1][..., :3]).mean() > 10  # it moves


@pytest.mark.export
def test_the_sample_weights_of_the_regional_net_find_a_person() -> None:
    """The astronaut's face is foreground; the wall beside her, above the shuttle, is not."""
    torch = pytest.importorskip("torch")
    from edgematte.checkpoint import load_model
    from edgematte.nets import find

    file = SAMPLES / "regional-tiny.safetensors"
    assert file.stat().st_size < 4e6
    model, _ = load_model(find("regional-tiny"), file)
    picture = Image.open(SAMPLES / "astronaut.jpg").convert("RGB").resize((512, 512))
    with torch.inference_mode():
        planes = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
        alpha = model(planes).alpha[0, 0].numpy()
    assert alpha[80:160, 190:270].mean() > 0.9
    assert alpha[:150, 300:380].mean() < 0.1
