"""What streams gain: overlap from file to file, a scene that stands still, flicker.

    python benchmarks/portrait_clip.py [--frames 12] [--rounds 3] [--threads 2] [--keep FOLDER]
        [--engines ov-bf16] [--outputs mov png]

A panning clip of 1920x1080, made on the spot, goes from H.264 to ProRes 4444, and to PNG files,
through the regional net with random weights and 1400 given cells, frame after frame and as a stream
without reuse, in turns. FFmpeg codes frames in threads of its own in either way. A still scene,
then one with a patch that moves, goes through the steps of `Matter.stream` with reuse: time of a
frame beside the first one's, and dtSSD (times 100, over the unknown cells) beside that of frames
matted alone; both have the noise of a camera, 2 levels.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from portrait import ENGINES, FRAMES, outline
from portrait_graphs import written

from edgematte.arrays import Bytes
from edgematte.clips.reading import Clip, ClipFrame
from edgematte.clips.writing import FORMATS, FolderWriter, VideoWriter, Writer
from edgematte.export.cuts.regional import CUT
from edgematte.metrics import dtssd
from edgematte.models.regional.network import Regional
from edgematte.runtime.clips.stream import stream
from edgematte.runtime.engines import EngineOptions, open_engine
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import OwnTrimap
from edgematte.runtime.nets.regional.host import Sizes
from edgematte.runtime.nets.regional.pipeline import Regions, pipeline
from edgematte.runtime.pipeline import Sourced
from edgematte.testcard import testcard

RATE = 25
STILL = 8
NOISE = 2.0  # levels of 255


def opened(engine: str, threads: int, folder: Path) -> Regions:
    """The whole pipeline on an engine, with 1400 cells given."""
    _, graph, count = FRAMES["hd"]
    torch.manual_seed(0)
    net = Regional().eval()
    host = CUT.host("regions", graph, Sizes(), net)
    target, name, precise = ENGINES[engine]
    place = folder / f"hd-{target}-"
    options = EngineOptions(threads=threads, precise=precise)
    calls = {
        g.name: RunnableGraph(g, open_engine(name, place / g.file, g, options))
        for g in written(net, host, target, place, plain=False)
    }
    planes, coarse = outline(host, count), calls["coarse"]

    def with_cells(**inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return coarse(**inputs) | {"cell_trimap": planes}

    made = pipeline(host, {**calls, "coarse": with_cells})
    assert isinstance(made, Regions)
    return made


def sourced(whole: Regions) -> Sourced:
    """The pipeline as a bundle runs it."""
    return Sourced("regional", whole, OwnTrimap())


def film(path: Path, count: int) -> None:
    """A camera that pans over the test card."""
    (width, height), _, _ = FRAMES["hd"]
    wide = testcard(width + 2 * count, height)
    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=RATE, options={"preset": "fast", "crf": "20"})
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        for number in range(count):
            pixels = np.ascontiguousarray(wide[:, 2 * number : 2 * number + width])
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))


def cut_out(whole: Regions, clip: Path, result: Path, *, streamed: bool) -> float:
    """Seconds a frame, from file to file."""
    kept: list[ClipFrame] = []
    done, start = 0, time.perf_counter()
    writer: Writer | None = None

    def pixels(source: Clip) -> Iterator[Bytes]:
        for frame in source.frames():
            kept.append(frame)
            yield frame.pixels

    with Clip(clip) as source:
        mattes: Iterator[NDArray[np.float32]]
        if streamed:
            mattes = (m.alpha for m in stream(sourced(whole), pixels(source), reuse=False))
        else:
            mattes = (whole(p, None, Clock())[0] for p in pixels(source))
        for alpha in mattes:
            at = kept[done]
            size = at.pixels.shape[1], at.pixels.shape[0]
            if writer is None and result.is_dir():
                writer = FolderWriter(result)
            elif writer is None:
                base = at.time_base
                writer = VideoWriter(
                    result, FORMATS[".mov"], size, Fraction(RATE), base, None, clear=True
                )
            writer.write(at.pixels, alpha, at)
            done += 1
        assert writer is not None
        writer.close()
    return (time.perf_counter() - start) / done


def still(moving: bool) -> Iterator[Bytes]:
    """One scene with the noise of a camera; a patch of 160x160 moves over it, or not."""
    (width, height), _, _ = FRAMES["hd"]
    scene = testcard(width, height)
    for number in range(STILL):
        frame = scene.copy()
        if moving:
            top, left = height // 2, width // 2 + 280 + 16 * number  # across the given cells
            frame[top : top + 160, left : left + 160] = scene[:160, :160]
        noise = np.random.default_rng(number).normal(0, NOISE, frame.shape)
        yield np.clip(frame + noise, 0, 255).astype(np.uint8)


def reused(whole: Regions, moving: bool) -> None:
    """Print what frames after the first one cost, and how much they flicker."""
    frames = list(still(moving))
    list(stream(sourced(whole), frames[:1]))
    rows = []
    for reuse in (True, False):
        steps = whole.stream(reuse=reuse)
        seconds, alphas, regions = [], [], []
        for frame in frames:  # one by one, so that a frame's time is its own
            start = time.perf_counter()
            alpha, trimap, clock = steps.finish(steps.infer(steps.prepare(frame)))
            seconds.append(time.perf_counter() - start)
            alphas.append(alpha)
            regions.append(clock.counts["regions refined"])
        share = statistics.median(seconds[1:]) / seconds[0]
        flicker = dtssd(alphas, alphas[:1] * STILL, [trimap == 128] * STILL)
        rows.append(f"{100 * share:.0f} % of the first frame, dtSSD {flicker:.3f}")
        rows[-1] += f", {statistics.fmean(regions[1:]):.0f} of {regions[0]} regions refined"
    name = "a patch moves" if moving else "still"
    print(f"{name}: with reuse {rows[0]}; without {rows[1]}", flush=True)


def overlapping(whole: Regions, clip: Path, result: Path, rounds: int, name: str) -> None:
    """Print what a frame costs from file to file, in either way."""
    times: dict[bool, list[float]] = {False: [], True: []}
    busy: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for streamed, found in times.items():
            used, started = time.process_time(), time.perf_counter()
            found.append(1000 * cut_out(whole, clip, result, streamed=streamed))
            spent = time.perf_counter() - started
            busy[streamed].append((time.process_time() - used) / spent)
    for streamed, found in times.items():
        how = "as a stream" if streamed else "one after the other"
        cores, ms = statistics.median(busy[streamed]), statistics.median(found)
        print(f"{name}, {how}: {ms:.0f} ms a frame, {cores:.2f} cores busy")
    gain = statistics.median(times[False]) / statistics.median(times[True])
    print(f"{name}: the stream gains {gain:.2f}x", flush=True)


def main(
    count: int, rounds: int, threads: int, engines: list[str], outputs: list[str], keep: Path | None
) -> None:
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as scratch:
        clip, folder = Path(scratch) / "clip.mp4", Path(scratch) / "png"
        film(clip, count)
        folder.mkdir()
        results = {"mov": Path(scratch) / "out.mov", "png": folder}
        for engine in engines:
            whole = opened(engine, threads, keep or Path(scratch))
            whole(testcard(*FRAMES["hd"][0]), None, Clock())
            for kind in outputs:
                overlapping(whole, clip, results[kind], rounds, f"{engine} to {kind}")
            for moving in (False, True):
                reused(whole, moving)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["ov-bf16"])
    parser.add_argument("--outputs", nargs="+", choices=("mov", "png"), default=["mov", "png"])
    parser.add_argument("--keep", type=Path, help="folder of the graphs, to measure again")
    given = parser.parse_args()
    main(given.frames, given.rounds, given.threads, given.engines, given.outputs, given.keep)
