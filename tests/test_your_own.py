"""`docs/your-own.md` and the README's part on it: everything that they tell a reader to type works.

Steps run in the pages' order, in one folder, with files in place of the reader's own: the sample
photograph, a mask, and nets of the shapes that the named ones have; u2netp is the real one where a
package that carries it is installed.
"""

import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pages import ROOT, Command, Said, Shell, Step, install, lines_of, missing, steps_of
from PIL import Image
from real_nets import HINT, u2netp

PAGE = (ROOT / "docs" / "your-own.md").read_text(encoding="utf-8")
(README,) = re.findall(
    r"^## What you already have\n.*?(?=^## )", (ROOT / "README.md").read_text(), re.M | re.S
)
HUB = "hustvl/vitmatte-small-composition-1k"
SMALLER = {
    "vitmatte-s": ["vitmatte-tiny", "--size", "64"],
    "int8": ["int8", "--calibration-limit", "4"],
}
"""What is typed in place of 26 million parameters, of many pictures; the words around it stay."""
NET = """
<ir_version: 8, opset_import: ["": 17]>
net (float[{shape}] picture) => (float[1, 1, h, w] answer, float[1, 1, h, w] other)
<float[1, 3, 1, 1] weights = {{3.0, -2.0, 1.0}}> {{
    logits = Conv(picture, weights)
    answer = {last}(logits)
    other = Neg(logits)
}}
"""


def shorter(command: Command) -> Command:
    return [word for said in command for word in SMALLER.get(said, [said])]


def all_steps() -> list[Step]:
    """Each once: what the README has already made is there."""
    steps: list[Step] = []
    for step in (*steps_of(README), *steps_of(PAGE)):
        if step not in steps:
            steps.append(step)
    return [step if isinstance(step, str) else shorter(step) for step in steps]


STEPS = all_steps()


def named(step: Step) -> str:
    return " ".join(step) if isinstance(step, list) else step


def write_net(file: Path, shape: str, last: str = "Sigmoid", output: str = "answer") -> None:
    import onnx

    model = onnx.parser.parse_model(NET.format(shape=shape, last=last))
    model.graph.output[0].name = model.graph.node[1].output[0] = output  # numbers parse as none
    onnx.save(model, file)


def write_recurrent(file: Path) -> None:
    from recurrent_net import rvm_like

    rvm_like(file)


def write_hub(folder: Path) -> None:
    """A cache of the hub that holds the net of :data:`HUB`, in small."""
    from safetensors.torch import save_file

    from edgematte.checkpoint import random_model
    from edgematte.models.vitmatte.keys import to_official
    from edgematte.nets import find

    cache = folder / "hub" / f"models--{HUB.replace('/', '--')}"
    held = cache / "snapshots" / "0"
    held.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("0")
    model, _ = random_model(find("vitmatte-tiny"), {}, 0)
    theirs = {k: v.contiguous() for k, v in to_official(model.state_dict()).items()}
    save_file(theirs, held / "model.safetensors")
    (held / "config.json").write_text("{}")


def write_clip(file: Path, pixels: np.ndarray) -> None:
    av = pytest.importorskip("av")
    with av.open(str(file), "w") as clip:
        stream = clip.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = pixels.shape[1], pixels.shape[0], "yuv420p"
        for _ in range(3):
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        clip.mux(stream.encode())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the files that the pages' reader is to have."""
    folder = tmp_path_factory.mktemp("own")
    photo = ROOT / "samples" / "astronaut.jpg"
    left_out = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "samples", folder / "samples", ignore=left_out)
    shutil.copy(photo, folder / "photo.jpg")
    (folder / "photos").mkdir()
    shutil.copy(photo, folder / "photos")
    down, across = np.mgrid[:64, :64]
    subject = np.hypot(down - 40, across - 30) < 24
    Image.fromarray(subject.astype(np.uint8) * np.uint8(255)).save(folder / "mask.png")
    square = Image.fromarray((~subject).astype(np.uint8) * np.uint8(255))
    square.resize((40, 30)).save(folder / "square.png")
    return folder


@pytest.fixture(scope="module")
def answers(folder: Path) -> Iterator[list[tuple[Step, Said]]]:
    """Every step that can be typed here with what it answered."""
    for package in ("torch", "onnx", "onnxruntime", "pip", "setuptools"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    real = u2netp()
    if real:
        shutil.copy(real, folder / "u2netp.onnx")
    else:
        write_net(folder / "u2netp.onnx", "1, 3, 320, 320", output="1959")
    write_net(folder / "modnet.onnx", "batch_size, 3, height, width")
    write_net(folder / "birefnet.onnx", "1, 3, 64, 64", "Identity")
    write_recurrent(folder / "rvm_mobilenetv3_fp32.onnx")
    write_hub(folder)
    steps = [step for step in STEPS if isinstance(step, str) or not missing(step)]
    if any("clip.mp4" in step for step in steps):
        pixels = np.asarray(Image.open(folder / "photo.jpg").resize((64, 64)))
        write_clip(folder / "clip.mp4", pixels)
    (line,) = (line for line in lines_of(PAGE) if line.startswith("pip install ./"))
    site = install(folder, line)
    cache = ("EDGEMATTE_CACHE", str(folder / "cache"))
    variables = (cache, ("HF_HOME", str(folder)), ("HF_HUB_OFFLINE", "1"))
    said = Shell(folder, site.path, variables).several(steps)
    yield list(zip(steps, said, strict=True))


def test_the_pages_have_steps_for_what_people_have() -> None:
    commands = [step for step in STEPS if isinstance(step, list)]
    assert {"matte", "trimap", "import", "export", "check"} <= {words[0] for words in commands}
    options = {word for words in commands for word in words if word.startswith("--")}
    assert {"--mask", "--fit-mask", "--invert-mask", "--band", "--preset", "--cascade"} <= options
    readme = steps_of(README)
    assert [words[0] for words in readme[:3]] == ["import", "matte", "matte"]
    others = [line for line in lines_of(PAGE) if not line.startswith("edgematte ")]
    assert all(line.startswith(("pip install ", "python ")) for line in others)


@pytest.mark.export
@pytest.mark.parametrize("at", range(len(STEPS)), ids=[named(step)[:60] for step in STEPS])
def test_every_step_works(at: int, answers: list[tuple[Step, Said]], folder: Path) -> None:
    step = STEPS[at]
    if isinstance(step, list) and missing(step):
        pytest.skip(f"{named(step)}: {', '.join(missing(step))} is not installed")
    said = next(answer for typed, answer in answers if typed == step)
    assert said.code == 0, said.err
    for flag in ("-o", "--output"):
        if isinstance(step, list) and flag in step:
            assert (folder / step[step.index(flag) + 1]).exists()


@pytest.mark.export
def test_the_readmes_matte_is_of_the_astronaut(
    answers: list[tuple[Step, Said]], folder: Path
) -> None:
    """Its third line, by the mask that its second one made."""
    if u2netp() is None:
        pytest.skip(HINT)
    last = steps_of(README)[2]
    assert "--mask" in last and "--bundle" not in last
    alpha = np.asarray(Image.open(folder / last[last.index("-o") + 1]))[..., 3]
    assert alpha.shape == (512, 512)
    assert alpha[150, 230] > 250 and alpha[30, 60] < 5  # her cheek, the wall
