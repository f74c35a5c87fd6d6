"""Host work of the regional net on a 3840x2176 frame, beside a k-d tree.

    python benchmarks/knn.py [--rounds 15] [--clock processor]

Median and fastest milliseconds of each step, steps taken in turns, for 3000 and 30000 uncertain
cells: a wavering outline three cells wide, as a trimap has, and cells strewn at random. scipy's
cKDTree, which breaks ties as it likes, is built and asked for 9 neighbours of every cell. All of it
runs on one thread; the processor's clock is for machines that are shared.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from edgematte.runtime.nets.regional.neighbours import nearest_cells, relative_positions
from edgematte.runtime.nets.regional.regions import (
    crop_regions,
    enlarge_cells,
    paste_regions,
    select_cells,
)

WIDTH, HEIGHT = 3840, 2176
ROWS, COLUMNS = HEIGHT // 8, WIDTH // 8
K, TOKEN, HEADS, N = 8, 128, 8, 512


def outline(count: int) -> np.ndarray:
    """The ``count`` cells nearest to wavering circles, enough of them for bands of three cells."""
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float64)
    radius = np.hypot(y - ROWS / 2, x - COLUMNS / 2)
    angle = np.arctan2(y - ROWS / 2, x - COLUMNS / 2)
    wave = radius + 6 * np.sin(9 * angle)
    rings = max(1, count // 2200)
    apart = np.abs((wave - 120) % (120 / rings) - 60 / rings)
    return np.argsort(apart, axis=None, kind="stable")[:count]


def strewn(count: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(ROWS * COLUMNS)[:count]


def trimap_of(chosen: np.ndarray) -> np.ndarray:
    trimap = np.zeros((3, ROWS * COLUMNS), np.float32)
    trimap[0] = 0.8
    trimap[1] = 0.15
    trimap[2] = 0.05
    trimap[:, chosen] = np.array([[0.2], [0.5], [0.3]], np.float32)
    return trimap.reshape(3, ROWS, COLUMNS)


def steps(chosen: np.ndarray) -> dict[str, Callable[[], object]]:
    random = np.random.default_rng(1)
    picture = random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    alpha = random.random((HEIGHT, WIDTH), np.float32)
    cell_alpha = random.random((ROWS, COLUMNS), np.float32)
    table = random.random((50, HEADS), np.float32)
    trimap = trimap_of(chosen)
    cells = select_cells(trimap)
    assert len(cells) == len(chosen)
    tokens = random.random((len(cells), TOKEN), np.float32)
    refined = random.random((len(cells), 8, 8), np.float32)
    near = nearest_cells(cells, K)
    group = np.concatenate([np.arange(len(cells), dtype=np.int32)[:, None], near], axis=1)
    chunks = [slice(start, start + N) for start in range(0, len(cells), N)]

    def gather() -> None:
        for chunk in chunks:
            tokens[group[chunk]]

    def biases() -> None:
        for chunk in chunks:
            place = relative_positions(cells, group[chunk], 4, True)
            table.take(place, axis=0)

    def crop() -> None:
        for chunk in chunks:
            crop_regions(picture, alpha, cells[chunk])

    def paste() -> None:
        whole = enlarge_cells(cell_alpha).astype(np.float32, copy=False)
        paste_regions(whole, refined, cells)

    return {
        "select": lambda: select_cells(trimap),
        "neighbours": lambda: nearest_cells(cells, K),
        "cKDTree": lambda: cKDTree(cells).query(cells, k=K + 1),
        "crop": crop,
        "gather tokens": gather,
        "biases": biases,
        "enlarge, paste": paste,
    }


def main(rounds: int, clock: Callable[[], float]) -> None:
    print(f"{'cells':>6} {'shape':<8} {'step':<15} {'median ms':>9} {'fastest':>8}")
    for count in (3000, 30000):
        for shape in (outline, strewn):
            calls = steps(shape(count))
            times: dict[str, list[float]] = {name: [] for name in calls}
            for _ in range(rounds):
                for name, call in calls.items():
                    start = clock()
                    call()
                    times[name].append(1000 * (clock() - start))
            times["all but cKDTree"] = [
                sum(t[i] for n, t in times.items() if n != "cKDTree") for i in range(rounds)
            ]
            for name, found in times.items():
                median, least = statistics.median(found), min(found)
                print(f"{count:>6} {shape.__name__:<8} {name:<15} {median:>9.1f} {least:>8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    given = parser.parse_args()
    main(given.rounds, time.process_time if given.clock == "processor" else time.perf_counter)
