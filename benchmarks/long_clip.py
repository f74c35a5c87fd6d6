"""Memory over a long clip: resident size while `edgematte matte clip.mp4 -o clip.mov` runs.

    python benchmarks/long_clip.py [--frames 5000] [--size 1920x1080] [--bundle B.edgematte]
        [--engine E] [--threads N] [--no-graphs] [--reports 10]

The clip, a test card with noise that wanders, is made on the spot, in H.264. The resident size of
the process is read after every frame; a row for each tenth of the clip says the mean and the
largest there. The slope is that of a straight line through the frames after the first tenth, by
which encoders have filled their queues. With --no-graphs alpha is constant and all else is as it
is: reading, the stages' threads, composing and coding of thousands of frames in minutes. Linux
only.
"""

import argparse
import resource
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

import edgematte
from edgematte.arrays import Bytes, Floats
from edgematte.cli.arguments import parse_size
from edgematte.nets import find
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import OwnTrimap
from edgematte.runtime.matter import Matter
from edgematte.runtime.pipeline import Sourced
from edgematte.testcard import testcard
from edgematte.video import matte_clip

RATE = 25
MARGIN = 64  # pixels that the card wanders over
NOISY = 8  # different frames of noise, of 2 levels


class Constant:
    """A pipeline without a graph."""

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See `edgematte.runtime.pipeline.Pipeline`."""
        shape = picture.shape[:2]
        return np.full(shape, 0.5, np.float32), np.full(shape, 128, np.uint8)


def make_clip(path: Path, frames: int, size: tuple[int, int]) -> None:
    width, height = size
    card = testcard(width + MARGIN, height + MARGIN).astype(np.int16)
    random = np.random.default_rng(0)
    noise = [random.integers(-2, 3, (height, width, 1), np.int16) for _ in range(NOISY)]
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        for number in range(frames):
            left, top = (number % MARGIN, number // 3 % MARGIN)
            part = card[top : top + height, left : left + width] + noise[number % NOISY]
            pixels = np.clip(part, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def loaded(arguments: argparse.Namespace) -> Matter:
    if not arguments.no_graphs:
        return edgematte.load(arguments.bundle, engine=arguments.engine, threads=arguments.threads)
    bundle = open_bundle(arguments.bundle)
    model = bundle.manifest.model
    return Matter(bundle, find(model), Sourced(model, Constant(), OwnTrimap()), "none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--bundle")
    parser.add_argument("--engine")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--no-graphs", action="store_true")
    parser.add_argument("--reports", type=int, default=10)
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("resident size is read from /proc: Linux only")
    matter = loaded(arguments)
    sizes: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "clip.mp4"
        make_clip(clip, arguments.frames, parse_size(arguments.size))
        start = time.perf_counter()
        report = matte_clip(
            matter,
            clip,
            Path(name) / "out.mov",
            None,
            lambda done, total: sizes.append(resident_mib()),
        )
        seconds = time.perf_counter() - start
    print(
        f"{arguments.size}, {report.frames} frames, {1000 * seconds / report.frames:.0f} ms a frame"
    )
    print("| frames | mean MiB | largest MiB |\n|---|---|---|")
    bounds = np.linspace(0, len(sizes), arguments.reports + 1).astype(int)
    for first, last in zip(bounds[:-1], bounds[1:], strict=True):
        part = sizes[first:last]
        print(f"| {first} to {last - 1} | {np.mean(part):.0f} | {np.max(part):.0f} |")
    settled = sizes[len(sizes) // 10 :]
    slope = np.polyfit(np.arange(len(settled)), settled, 1)[0]
    print(f"slope {1024 * slope:+.2f} KiB a frame after the first tenth")


if __name__ == "__main__":
    main()
