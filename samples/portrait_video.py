"""Make a clip out of a photograph, by panning and zooming, and cut its subject out of every frame.

    python samples/portrait_video.py [OUT] [BUNDLE] [PHOTO]

Writes OUT/clip.mp4 and OUT/cutout.mov (ProRes 4444: the transparency that video editors read).
Without a BUNDLE, the one that ships with edgematte. With a bundle of the regional net, what stands
still keeps its alpha, and --max-regions or --budget-ms of `edgematte matte` bound a frame's work.
Needs `pip install "edgematte[cpu,video]"`; no torch.
"""

import math
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import edgematte
from edgematte.pictures import read_picture
from edgematte.video import matte_clip

HERE = Path(__file__).resolve().parent
FRAMES, RATE = 24, 24
SIZE = (384, 384)
STILL = 8  # the first frames show the same: regions are worked on once


def camera(photo: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """What a camera sees that stands still, then zooms in and swings to one side."""
    picture = Image.fromarray(photo)
    side = min(picture.size)
    for number in range(FRAMES):
        t = max(0, number - STILL) / (FRAMES - STILL)  # 0 to 1
        window = side * (1 - 0.25 * t)
        left = (picture.width - window) / 2 * (1 + 0.3 * math.sin(2 * math.pi * t))
        top = (picture.height - window) / 2 * (1 - 0.5 * t)
        box = (left, top, left + window, top + window)
        yield np.asarray(picture.resize(SIZE, Image.Resampling.BICUBIC, box=box))


def film(photo: NDArray[np.uint8], path: Path) -> None:
    """Write the frames as H.264."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=RATE, options={"crf": "12"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number, pixels in enumerate(camera(photo)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def main(out: Path, bundle: Path | None, photo: Path) -> None:
    """Film the photograph, matte the clip, and print how fast that was."""
    out.mkdir(parents=True, exist_ok=True)
    film(read_picture(photo), out / "clip.mp4")
    report = matte_clip(edgematte.load(bundle), out / "clip.mp4", out / "cutout.mov")
    print(
        f"{report.frames} frames of {report.size[0]}x{report.size[1]}, {report.rate:.1f} a second"
    )
    print(out / "cutout.mov")


if __name__ == "__main__":
    given = [Path(a) for a in sys.argv[1:]] + [None] * 3
    main(given[0] or Path("out"), given[1], given[2] or HERE / "astronaut.jpg")
