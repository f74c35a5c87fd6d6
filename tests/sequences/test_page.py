"""What docs/sequences.md tells its reader to type works, with small files in place of theirs.

In place of a net that needs trimaps there is one that takes them.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numbered import SIZE, frame, square
from pages import ROOT, steps_of

from edgematte.cli import main
from edgematte.pictures import encode

STEPS = steps_of((ROOT / "docs" / "sequences.md").read_text(encoding="utf-8"))


def test_the_page(
    tiny_bundle: Path,
    write: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    av = pytest.importorskip("av")
    pytest.importorskip("OpenEXR", reason="needs edgematte[vfx]")
    monkeypatch.chdir(tmp_path)
    write("shot/frame_%05d.png", [1, 2])
    write("trimaps/t_%05d.png", [1, 2], lambda n: square(10 * n))
    write("masks/m_%04d.png", [1], lambda n: square(10))
    write("first%d.png", [0], lambda n: square(10))
    Path("first0.png").rename("first.png")
    for number in (1, 2):
        light = (frame(number) / 255).astype(np.float16)
        Path(f"shot/frame_{number:04d}.exr").write_bytes(encode(light, "EXR"))
    for name, codec, pixels, make in (
        ("clip.mp4", "libx264", "yuv420p", frame),
        ("mask.mov", "qtrle", "rgb24", lambda n: square(10 * n)[..., None].repeat(3, 2)),
    ):
        with av.open(name, "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = *SIZE, pixels
            for number in (1, 2):
                array = np.ascontiguousarray(make(number))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
            container.mux(stream.encode())
    shutil.move(tiny_bundle, "vitmatte.edgematte")
    commands = [step for step in STEPS if isinstance(step, list)]
    assert len(commands) == 9 and len(STEPS) == 10
    for step in STEPS:
        if isinstance(step, str):
            exec(step, {})
        else:
            assert main(step) == 0, step
    assert len(list(Path("out").glob("frame_*"))) == 4  # two numbers, as .png and as .exr
