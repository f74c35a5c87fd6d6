"""A desk with the files that the pages' readers are to have, where pages are typed in."""

import re
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import PROSE, ROOT, ROW, SHELL, Shell, Text, install
from PIL import Image
from real_nets import u2netp
from small_nets import SMALL
from stand_ins import BEFORE, HUB, NOT_RUN, PROGRAMS, PYTHON_NOT_RUN, output_of, smaller
from typist import Said, Typist

from edgematte.pictures import encode, exr
from edgematte.runtime.bundle import DEFAULT

NET = """
<ir_version: 8, opset_import: ["": 17]>
net (float[{shape}] picture) => (float[1, 1, h, w] answer, float[1, 1, h, w] other)
<float[1, 3, 1, 1] weights = {{3.0, -2.0, 1.0}}> {{
    logits = Conv(picture, weights)
    answer = {last}(logits)
    other = Neg(logits)
}}
"""
WEIGHTS = """
import json
from pathlib import Path
from edgematte.checkpoint import random_model
from edgematte.nets import find
import torch
from safetensors.torch import save_file
model, _ = random_model(find("{net}"), {config}, 0)
Path("{file}").with_suffix(".json").write_text(json.dumps({config}))
values = {{k: v.contiguous() for k, v in model.state_dict().items()}}
(save_file if "{file}".endswith(".safetensors") else torch.save)(values, "{file}")
"""
HUB_CACHE = f"""
from pathlib import Path
from safetensors.torch import save_file
from edgematte.checkpoint import random_model
from edgematte.models.vitmatte.keys import to_official
from edgematte.nets import find
cache = Path("hub", "models--{HUB.replace("/", "--")}")
held = cache / "snapshots" / "0"
held.mkdir(parents=True)
(cache / "refs").mkdir()
(cache / "refs" / "main").write_text("0")
model, _ = random_model(find("vitmatte-tiny"), {{}}, 0)
theirs = {{k: v.contiguous() for k, v in to_official(model.state_dict()).items()}}
save_file(theirs, held / "model.safetensors")
(held / "config.json").write_text("{{}}")
"""
KEPT_JOB = """
Path(f"job-{job['graph']}.json").write_text(json.dumps(job))
"""
ASTRONAUT = ROOT / "samples" / "astronaut.jpg"
PICTURE = (128, 96)  # of most pictures here
FRAME, FRAMES = (64, 64), 3  # of clips and sequences


class Desk:
    """Types pages, each in a folder of its own; bundles that two pages make are made once."""

    def __init__(self, folder: Path, texts: list[Text]) -> None:
        self.folder, self.texts = folder, texts
        self._said: dict[str, dict[Text, Said]] = {}
        self._made: dict[str, tuple[Path, Said]] = {}  # by the words that made it
        _write_programs(folder / "bin")
        left_out = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", "node_modules")
        shutil.copytree(ROOT / "samples", folder / "samples", ignore=left_out)
        (line,) = (t.text for t in texts if t.text.startswith("pip install ./"))
        self.shell = Shell(
            folder,
            install(folder, line).path,
            (
                ("EDGEMATTE_CACHE", str(folder / "cache")),
                ("HF_HOME", str(folder)),
                ("HF_HUB_OFFLINE", "1"),
                ("PATH", f"{folder / 'bin'}:/usr/bin:/bin"),
            ),
        )
        self.typist = Typist(folder, self.shell.environment)
        self._python(HUB_CACHE, folder)

    def said(self, text: Text) -> Said:
        """What a text of a page answered; its page is typed if it was not yet."""
        self.place(text.page)
        return self._said[text.page][text]

    def place(self, page: str) -> Path:
        """The folder in which a page was typed."""
        folder = self.folder / Path(page).stem
        if page in self._said:
            return folder
        folder.mkdir()
        texts = [text for text in self.texts if text.page == page]
        self._lay_out(folder, texts)
        self._said[page] = {}
        for text in texts:
            if is_run(text):
                self._said[page][text] = self._typed(text, folder)
        return folder

    def _typed(self, text: Text, folder: Path) -> Said:
        if text.kind == "python":
            before = "".join(told for part, told in BEFORE.items() if part in text.text)
            return self.typist.python(text.text, before, folder)
        if re.search(r" [|>] ", text.text):
            return Shell(folder, self.shell.path, self.shell.variables).program(
                "bash", "-c", text.text
            )
        words = smaller(text.words[1:])
        if words[0] not in ("import", "export"):
            return self.typist.command(words, folder)
        made, key = folder / result_of(words), " ".join(words)
        if key in self._made:
            other, said = self._made[key]
            if not made.exists():
                made.symlink_to(other)
            return said
        said = self.typist.command(words, folder)
        self._made[key] = made, said
        return said

    # Files

    def _lay_out(self, folder: Path, texts: list[Text]) -> None:
        (folder / "samples").symlink_to(self.folder / "samples")
        told = "\n".join(t.text for t in texts if is_run(t) or is_planned(t))
        made = {result_of(t.words[1:]) for t in texts if is_run(t) and is_made(t)}
        for text in texts:
            if text.kind == "python" and any(part in text.text for part in PROGRAMS):
                name = "serve" if "sys.stdin" in text.text else "run"
                kept = "" if name == "serve" else KEPT_JOB
                (folder / f"{name}_on_phone.py").write_text(text.text + kept)
        for names, lay in self._files().items():
            for name in names.split():
                found = re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", told)
                if found and name not in made:
                    lay(folder / name)

    def _files(self) -> dict[str, Callable[[Path], object]]:
        return {
            "photo.jpg huge.jpg frame.png": lambda file: _picture().save(file),
            "folder photos": _folder,
            "trimap.png t.png huge.png": lambda file: _trimap().save(file),
            "mask.png": lambda file: _mask().save(file),
            "first.png": lambda file: _mask().resize(FRAME).save(file),
            "mask.mov": lambda file: _clip(file, _mask()),
            "shot": self._sequence,
            "trimaps": _trimaps,
            "masks": _masks,
            "vitmatte.edgematte": lambda file: self._random(file, "vitmatte-tiny", size=64),
            "square.png": lambda file: _square().save(file),
            "shot.exr": self._exr,
            "clip.mp4": lambda file: _clip(file, _picture()),
            "my.edgematte B.edgematte C.edgematte net.edgematte net-onnx-fp32.edgematte": (
                lambda file: shutil.copytree(DEFAULT, file)
            ),
            "my.safetensors net.safetensors": lambda file: shutil.copy(
                ROOT / "edgematte" / "weights" / "lightweight.safetensors", file
            ),
            "FILE": lambda file: self._weights(file, "vitmatte-tiny"),
            "authors.pth": lambda file: self._weights(file, "regional-tiny", **SMALL),
            "regional.edgematte": lambda file: self._from(
                "docs/portrait.md", "regional-openvino-fp32.edgematte", file
            ),
            "hdmatt.edgematte hdmatt-onnx-fp32.edgematte": lambda file: self._random(
                file, "hdmatt-tiny", patch=96
            ),
            "diffmatte.edgematte": lambda file: self._random(
                file, "diffmatte-lightweight", size=128, config={"base": 4}
            ),
            "vitmatte-s-onnx-fp16.edgematte": lambda file: self._random(
                file, "vitmatte-tiny", size=64, precision="fp16", dynamic_batch=True
            ),
            "u2netp.onnx": self._u2netp,
            "modnet.onnx": lambda file: self._net(file, "batch_size, 3, height, width"),
            "birefnet.onnx": lambda file: self._net(file, "1, 3, 64, 64", "Identity"),
            "rvm_mobilenetv3_fp32.onnx": _recurrent,
        }

    def _python(self, text: str, folder: Path) -> None:
        said = self.typist.python(text, "", folder)
        assert said.code == 0, said.err

    def _weights(self, file: Path, net: str, **config: int) -> None:
        self._python(WEIGHTS.format(net=net, file=file.name, config=config), file.parent)

    def _random(self, bundle: Path, net: str, **options: Any) -> None:
        """An exported net with random weights, made once for all that take it."""
        made = self.folder / f"{net}{sorted(options)}"
        if not made.exists():
            told = {"target": "onnx", "random_weights": True, **options, "output": str(made)}
            text = f"from edgematte.export import export\nexport({net!r}, **{told!r})"
            self._python(text, self.folder)
        bundle.symlink_to(made)

    def _from(self, page: str, made: str, bundle: Path) -> None:
        """A bundle that another page exports."""
        bundle.symlink_to(self.place(page) / made)

    def _exr(self, file: Path, size: tuple[int, int] = PICTURE) -> None:
        data = exr.MAGIC + bytes(20)  # enough to be told what to install
        if find_spec("OpenEXR"):
            light = np.asarray(_picture().resize(size), np.float32) / 255
            data = encode(light.astype(np.float16), "EXR")
        file.write_bytes(data)

    def _sequence(self, folder: Path) -> None:
        folder.mkdir()
        for number in range(1, FRAMES + 1):
            _picture().resize(FRAME).save(folder / f"frame_{number:05d}.png")
            self._exr(folder / f"frame_{number:04d}.exr", FRAME)

    def _u2netp(self, file: Path) -> None:
        if real := u2netp():
            shutil.copy(real, file)
        else:
            self._net(file, "1, 3, 320, 320", output="1959")

    def _net(self, file: Path, shape: str, last: str = "Sigmoid", output: str = "answer") -> None:
        import onnx

        model = onnx.parser.parse_model(NET.format(shape=shape, last=last))
        # Numbers parse as no names.
        model.graph.output[0].name = model.graph.node[1].output[0] = output
        onnx.save(model, file)


def is_run(text: Text) -> bool:
    """Whether a text is typed as it stands, but for smaller nets and pictures."""
    if text.kind == "python":
        return not any(part in text.text for part in (*PYTHON_NOT_RUN, *PROGRAMS))
    if text.kind == PROSE or (text.kind == ROW and text.page != "docs/your-own.md"):
        return False
    if text.kind not in (SHELL, ROW) or not re.match(r"(cat \S+ \| )?edgematte ", text.text):
        return False
    return not any(re.search(row.which, text.text) for row in NOT_RUN)


def is_made(text: Text) -> bool:
    """Whether a text makes a bundle."""
    return text.text.startswith(("edgematte export ", "edgematte import "))


def is_planned(text: Text) -> bool:
    """Whether a text is an export that is run up to where its options are checked."""
    rows = [row for row in NOT_RUN if row.planned]
    return text.kind == SHELL and any(re.search(row.which, text.text) for row in rows)


def result_of(words: list[str]) -> str:
    """The file or folder that a command writes, of those that name one."""
    for flag in ("-o", "--output"):
        if flag in words:
            return words[words.index(flag) + 1]
    return output_of(words) if words[0] == "export" else ""


def _write_programs(folder: Path) -> None:
    """`edgematte` and `python` as a shell finds them."""
    folder.mkdir()
    for name, words in (("python", ""), ("edgematte", "-m edgematte")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (folder / name).chmod(0o755)


def _picture() -> Image.Image:
    """A person whom a trained net finds: not squeezed."""
    return Image.open(ASTRONAUT).crop((0, 0, 512, 384)).resize(PICTURE)


def _folder(folder: Path) -> None:
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        _picture().save(folder / name)


def _subject() -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    down, across = np.mgrid[: PICTURE[1], : PICTURE[0]]
    return np.asarray(np.hypot(down - 60, across - 55) < 30, np.uint8)


def _trimap() -> Image.Image:
    near = np.asarray(_mask().resize((16, 12)).resize(PICTURE, Image.Resampling.BILINEAR))
    return Image.fromarray(np.select([near == 0, near == 255], [0, 255], 128).astype(np.uint8))


def _mask() -> Image.Image:
    return Image.fromarray(_subject() * np.uint8(255))


def _square() -> Image.Image:
    return Image.fromarray((1 - _subject()) * np.uint8(255)).resize((40, 30))


def _clip(file: Path, picture: Image.Image) -> None:
    av = pytest.importorskip("av")
    pixels = np.asarray(picture.convert("RGB").resize(FRAME))
    with av.open(str(file), "w") as clip:
        stream = clip.add_stream("mpeg4", rate=25)
        stream.width, stream.height = FRAME
        stream.pix_fmt = "yuv420p"
        for _ in range(FRAMES):
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        clip.mux(stream.encode())


def _trimaps(folder: Path) -> None:
    folder.mkdir()
    for number in range(1, FRAMES + 1):
        _trimap().resize(FRAME, Image.Resampling.NEAREST).save(folder / f"t_{number:05d}.png")


def _masks(folder: Path) -> None:
    """Of the first frame alone."""
    folder.mkdir()
    _mask().resize(FRAME).save(folder / "m_0001.png")


def _recurrent(file: Path) -> None:
    from recurrent_net import rvm_like

    rvm_like(file)
