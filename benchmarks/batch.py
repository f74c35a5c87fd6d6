"""What `edgematte batch` is worth: two workers beside one, and one beside a bare loop, in one run.

    python benchmarks/batch.py [--count 60] [--size 1024x768] [--rounds 2] [--bundle FOLDER]
    python benchmarks/batch.py --count 5 --size 4000x3000 --rounds 0     # the cost of these alone

JPEG photographs of samples/astronaut.jpg are matted in four ways, taken in turns: `bare`, a loop of
one process that reads, mattes and writes; `bare x2`, two such processes at a time, which is what
this machine allows; `1 actor` and `2 actors`, a batch. Every worker has one thread. Pictures a
second are counted from the first worker on; starting and ending the cluster stands beside them.
What a picture costs is in seconds of the processor, which other work on the machine changes little;
the first of five pictures is left out. Needs `pip install "edgematte[cpu,batch]"`.
"""

import argparse
import io
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

import edgematte
from edgematte.batch.run import BatchOptions, run_batch
from edgematte.cli.arguments import parse_size
from edgematte.pictures import cutout, encode, open_picture, write_picture

PHOTO = Path(__file__).resolve().parent.parent / "samples/astronaut.jpg"
MILLION = 1_000_000
COSTED = 5  # pictures
Timed = tuple[float, float, float]
"""Seconds of all pictures; of what is around them; of the processors, a picture (0: not known)."""


def main(arguments: argparse.Namespace) -> None:
    size = parse_size(arguments.size)
    with tempfile.TemporaryDirectory(prefix="edgematte-batch-") as name:
        folder = Path(name)
        files = photographs(folder / "in", arguments.count, size)
        bundle = arguments.bundle
        ways: dict[str, Callable[[Path], Timed]] = {
            "bare": lambda out: bare(files, out, bundle),
            "1 actor": lambda out: batch(folder / "in", out, bundle, 1),
            "2 actors": lambda out: batch(folder / "in", out, bundle, 2),
            "bare x2": lambda out: bare_twice(files, out, bundle),
        }
        took: dict[str, list[Timed]] = {way: [] for way in ways}
        for n in range(arguments.rounds):
            for way, run in ways.items():
                took[way].append(run(folder / f"{way}-{n}"))
        if arguments.rounds:
            report(took, arguments.count)
        cost(files[:COSTED], bundle)


def photographs(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """JPEG files of one photograph, turned and cropped, so that no two are alike."""
    folder.mkdir()
    files = []
    with Image.open(PHOTO) as photo:
        for n in range(count):
            turned = photo.rotate(0.2 * n, Image.Resampling.BILINEAR).resize(
                size, Image.Resampling.BICUBIC
            )
            files.append(folder / f"{n:05}.jpg")
            turned.save(files[-1], quality=90)
    return files


def bare(files: list[Path], out: Path, bundle: str | None) -> Timed:
    """A loop without a batch: no index, no names that could be taken, no errors caught."""
    out.mkdir()
    begun = time.perf_counter()
    matter = edgematte.load(bundle, threads=1)
    start, processor = time.perf_counter(), time.process_time()
    loop(matter, files, out)
    used = time.process_time() - processor
    return time.perf_counter() - start, start - begun, used / len(files)


def loop(matter: edgematte.Matter, files: list[Path], out: Path) -> None:
    for file in files:
        photo = open_picture(file)
        matte = matter(photo)
        write_picture(cutout(photo.pixels, matte.alpha), out / f"{file.stem}.png", photo.profile)


def half(files: list[Path], out: Path, bundle: str | None, ready: Any, go: Any) -> None:
    """One of two processes; it waits for the other one when its bundle is loaded."""
    matter = edgematte.load(bundle, threads=1)
    ready.release()
    go.wait()
    loop(matter, files, out)


def bare_twice(files: list[Path], out: Path, bundle: str | None) -> Timed:
    out.mkdir()
    spawn = multiprocessing.get_context("spawn")
    ready, go = spawn.Semaphore(0), spawn.Event()
    begun = time.perf_counter()
    halves = [
        spawn.Process(target=half, args=(files[n::2], out, bundle, ready, go)) for n in range(2)
    ]
    for process in halves:
        process.start()
    for _ in halves:
        ready.acquire()
    start = time.perf_counter()
    go.set()
    for process in halves:
        process.join()
    return time.perf_counter() - start, start - begun, 0.0


def batch(folder: Path, out: Path, bundle: str | None, actors: int) -> Timed:
    marks: list[tuple[int, float]] = []

    def progress(done: int, total: int) -> None:
        if not marks or done == total:
            marks.append((done, processor_seconds()))

    begun = time.perf_counter()
    done = run_batch(str(folder), str(out), BatchOptions(bundle, actors=actors), progress)
    assert not done.failed, done.errors
    (first, before), (last, after) = marks[0], marks[-1]
    used = (after - before) / (last - first)
    return done.seconds, time.perf_counter() - begun - done.seconds, used


def processor_seconds() -> float:
    """Of this process and all that it started, Ray's own among them; on Linux, else 0."""
    used, parents = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[number], used[number] = rest[1], int(rest[11]) + int(rest[12])
    ours = {str(os.getpid())}
    while more := {n for n, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(used.get(n, 0) for n in ours) / os.sysconf("SC_CLK_TCK")


def report(took: dict[str, list[Timed]], count: int) -> None:
    rate = {way: count / statistics.median(run[0] for run in runs) for way, runs in took.items()}
    for way, runs in took.items():
        around = statistics.median(run[1] for run in runs)
        print(f"{way:<9} {rate[way]:7.2f} pictures/s   start and end {around:5.1f} s")
    print(f"2 actors / 1 actor {rate['2 actors'] / rate['1 actor']:.2f}")
    print(f"bare x2 / bare     {rate['bare x2'] / rate['bare']:.2f}")
    print(f"overhead of 1 actor against bare {100 * (rate['bare'] / rate['1 actor'] - 1):.1f} %")
    used = {way: statistics.median(run[2] for run in runs) for way, runs in took.items()}
    if used["1 actor"]:
        more = 100 * (used["1 actor"] / used["bare"] - 1)
        print(f"the same in processor seconds, Ray's own among them {more:.1f} %")
    both = 100 * (rate["bare x2"] / rate["2 actors"] - 1)
    print(f"overhead of 2 actors against bare x2 {both:.1f} %")


def cost(files: list[Path], bundle: str | None) -> None:
    """Processor seconds of a picture by stage, and what a million of them take."""
    matter = edgematte.load(bundle, threads=1)
    rows: list[dict[str, float]] = []
    for file in files:
        data, marks = file.read_bytes(), [time.process_time()]
        photo = open_picture(io.BytesIO(data), file.name)
        marks.append(time.process_time())
        start = time.perf_counter()
        matte = matter(photo)
        whole = time.perf_counter() - start
        marks.append(time.process_time())
        written = encode(cutout(photo.pixels, matte.alpha), "PNG", photo.profile)
        marks.append(time.process_time())
        decoding, matting, encoding = (b - a for a, b in itertools.pairwise(marks))
        graphs = sum(s for stage, s in matte.timings.items() if stage.startswith("graph."))
        share = min(1.0, graphs / whole)
        stages = {"decode": decoding, "host": matting * (1 - share), "graph": matting * share}
        rows.append({**stages, "encode": encoding})
    size = f"{photo.pixels.shape[1]}x{photo.pixels.shape[0]}"
    print(f"{size}: {len(data) / 1e6:.1f} MB in, {len(written) / 1e6:.1f} MB out")
    means = {stage: statistics.mean(row[stage] for row in rows[1:]) for stage in rows[0]}
    total = sum(means.values())
    for stage, seconds in means.items():
        print(f"{stage:<7} {seconds:6.3f} s   {100 * seconds / total:4.1f} %")
    print(f"{'whole':<7} {total:6.3f} s   {total * MILLION / 3600:.0f} core-hours a million")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", help="default: the one that ships with edgematte")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--size", default="1024x768")
    parser.add_argument("--rounds", type=int, default=2)
    main(parser.parse_args())
