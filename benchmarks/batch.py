"""What `edgematte batch` is worth: two workers beside one, and one beside a bare loop, in one run.

    python benchmarks/batch.py [--count 60] [--size 1024x768] [--rounds 2] [--bundle FOLDER]
    python benchmarks/batch.py --count 12 --size 4000x3000 --rounds 1     # a million of these

JPEG photographs of samples/astronaut.jpg are matted in four ways, taken in turns: `bare`, a loop of
one process that reads, mattes and writes; `bare x2`, two such processes at a time, which is what
this machine allows; `1 actor` and `2 actors`, a batch. Every worker has one thread. Pictures a
second are counted from the first worker on; starting and ending the cluster stands beside them.
The seconds of a picture by stage are means of the index of `1 actor`, and give the core-hours of a
million such pictures. Needs `pip install "edgematte[cpu,batch]"`.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

import edgematte
from edgematte.batch.rows import SECONDS
from edgematte.batch.run import BatchOptions, run_batch
from edgematte.cli.arguments import parse_size
from edgematte.pictures import cutout, open_picture, write_picture

PHOTO = Path(__file__).resolve().parent.parent / "samples/astronaut.jpg"
MILLION = 1_000_000
Timed = tuple[float, float]  # seconds of the pictures, and of all that is around them


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
        report(took, arguments.count)
        stages(folder / f"1 actor-{arguments.rounds - 1}" / "index.parquet")


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
    start = time.perf_counter()
    loop(matter, files, out)
    return time.perf_counter() - start, start - begun


def loop(matter: edgematte.Matter, files: list[Path], out: Path) -> None:
    for file in files:
        photo = open_picture(file)
        matte = matter(photo.image)
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
    return time.perf_counter() - start, start - begun


def batch(folder: Path, out: Path, bundle: str | None, actors: int) -> Timed:
    begun = time.perf_counter()
    done = run_batch(str(folder), str(out), BatchOptions(bundle, actors=actors))
    assert not done.failed, done.errors
    return done.seconds, time.perf_counter() - begun - done.seconds


def report(took: dict[str, list[Timed]], count: int) -> None:
    rate = {way: count / statistics.median(s for s, _ in runs) for way, runs in took.items()}
    for way, runs in took.items():
        around = statistics.median(s for _, s in runs)
        print(f"{way:<9} {rate[way]:7.2f} pictures/s   start and end {around:5.1f} s")
    print(f"2 actors / 1 actor {rate['2 actors'] / rate['1 actor']:.2f}")
    print(f"bare x2 / bare     {rate['bare x2'] / rate['bare']:.2f}")
    print(f"overhead of 1 actor against bare {100 * (rate['bare'] / rate['1 actor'] - 1):.1f} %")
    both = 100 * (rate["bare x2"] / rate["2 actors"] - 1)
    print(f"overhead of 2 actors against bare x2 {both:.1f} %")


def stages(index: Path) -> None:
    rows = pq.read_table(index)
    means = {stage: statistics.mean(rows[f"seconds_{stage}"].to_pylist()) for stage in SECONDS}
    whole = sum(means.values())
    for stage, seconds in means.items():
        print(f"{stage:<7} {1000 * seconds:7.1f} ms   {100 * seconds / whole:4.1f} %")
    print(
        f"{'whole':<7} {1000 * whole:7.1f} ms   {whole * MILLION / 3600:.0f} core-hours a million"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", help="default: the one that ships with edgematte")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--size", default="1024x768")
    parser.add_argument("--rounds", type=int, default=2)
    main(parser.parse_args())
