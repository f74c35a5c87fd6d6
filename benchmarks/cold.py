"""The first matte: whole processes of `edgematte matte`, and `edgematte.load` in a new one.

    python benchmarks/cold.py [PICTURE] [--bundle B.edgematte] [--beside CHECKOUT] [--rounds 15]

PICTURE, by default a test card of 1920x1080 as PNG and as JPEG, is matted to a PNG file by a
process of its own in every round, in turns with the rest; `bare` is Python with NumPy, Pillow and
ONNX Runtime imported, below which no process comes. `load` is measured in a process that has
imported those three. Another checkout of edgematte stands beside this one. Medians, with 10th and
90th percentiles; the first run of each, which optimises the graphs, is left out.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from edgematte.testcard import testcard

HERE = Path(__file__).parents[1]
BARE = "import numpy, PIL.Image, onnxruntime"
LOAD = f"""{BARE}, sys, time
start = time.perf_counter()
import edgematte
edgematte.load(*sys.argv[1:])
print(1000 * (time.perf_counter() - start))"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    bundle = [str(arguments.bundle.absolute())] if arguments.bundle else []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pictures = [arguments.picture.absolute()] if arguments.picture else made(folder)
        checkouts = [HERE, *([arguments.beside.absolute()] if arguments.beside else [])]
        rows = {"bare": (HERE, ["-c", BARE])}
        for place in checkouts:
            of = "" if place == HERE else f", {place}"
            for picture in pictures:
                command = ["-m", "edgematte", "matte", str(picture), "-o", "out.png", "-q"]
                named = ["--bundle", *bundle] if bundle else []
                rows[f"matte {picture.name}{of}"] = (place, [*command, *named])
            rows[f"load{of}"] = (place, ["-c", LOAD, *bundle])
        taken: dict[str, list[float]] = {name: [] for name in rows}
        for number in range(arguments.rounds + 1):
            for name, (place, command) in rows.items():
                taken[name] += [process(place, command, folder)] if number else []
                if not number:
                    process(place, command, folder)
    print("| process | ms |\n|---|---|")
    for name, values in taken.items():
        low, median, high = np.percentile(values, (10, 50, 90))
        print(f"| {name} | {median:.0f} ({low:.0f}-{high:.0f}) |")


def made(folder: Path) -> list[Path]:
    """The test card as PNG and as JPEG."""
    card = Image.fromarray(testcard(1920, 1080))
    paths = [folder / "card.png", folder / "card.jpg"]
    for path in paths:
        card.save(path)
    return paths


def process(place: Path, command: list[str], folder: Path) -> float:
    """Milliseconds of one process in a folder, with a checkout; those it prints, if it does."""
    environment = os.environ | {"PYTHONPATH": str(place)}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, check=True, capture_output=True
    )
    whole = 1000 * (time.perf_counter() - start)
    printed = done.stdout.decode().split()
    return float(printed[0]) if "-c" in command and printed else whole


if __name__ == "__main__":
    main()
