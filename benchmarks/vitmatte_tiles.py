"""What ViTMatte loses on tiles, and by grid sampling, against one pass over the whole picture.

    python benchmarks/vitmatte_tiles.py [--model M --weights FILE] [--picture FILE --trimap FILE]

ViTMatte has no reduced pass that could tell a tile what lies around it: a tile sees its own pixels
alone, and the net's positions are stretched over the tile instead of the picture. Printed are
alpha's differences from the whole picture over the unknown band, processor seconds, and the peak of
memory. PyTorch on one thread, random weights unless some are given: with those the differences say
how far the two computations are apart, not how much worse a matte is.
"""

import argparse
import os
import resource
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgematte.checkpoint import load_model, random_model
from edgematte.export.cuts.vitmatte import CUT
from edgematte.export.torch_graph import torch_calls
from edgematte.metrics import scores
from edgematte.models.vitmatte.network import ViTMatte
from edgematte.nets import find
from edgematte.pictures import read_grey, read_picture
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap import read_trimap
from edgematte.runtime.nets.vitmatte.host import Sizes
from edgematte.runtime.nets.vitmatte.pipeline import pipeline
from edgematte.testcard import testcard, testcard_trimap

SIDE = 1024  # of the test card
Task = tuple[str, str, Path | None, Path | None, Path | None, tuple[int, int], int, int]


def run(task: Task) -> tuple[NDArray[np.float32], float, float]:
    """Alpha, seconds, MB; in a process of its own, whose peak of memory is this run's."""
    _, name, weights, picture_file, trimap_file, size, overlap, lattice = task
    torch.set_num_threads(1)
    chosen = find(name)
    model, _ = load_model(chosen, weights) if weights else random_model(chosen, {}, 0)
    assert isinstance(model, ViTMatte)
    picture, trimap = scene(picture_file, trimap_file)
    host = CUT.host("tiles", size, Sizes(overlap=overlap, lattice=lattice), model)
    matte = pipeline(host, torch_calls(CUT.graphs(model, host)))
    start = time.process_time()
    alpha, _ = matte(picture, trimap, Clock())
    return alpha, time.process_time() - start, peak_mb()


def scene(picture: Path | None, trimap: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    if picture is None or trimap is None:
        return testcard(SIDE, SIDE), testcard_trimap(SIDE, SIDE)
    found = read_picture(picture)
    return found, read_trimap(read_grey(trimap), (found.shape[1], found.shape[0]))[0]


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: argparse.Namespace) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    files = arguments.weights, arguments.picture, arguments.trimap
    _, trimap = scene(*files[1:])
    across, down = (-(-n // 96) * 96 for n in reversed(trimap.shape))  # for lattices of 2 and 3
    tasks: list[Task] = [("whole", arguments.model, *files, (across, down), 1, 1)]
    for lattice in (2, 3):
        tasks.append((f"lattice {lattice}", arguments.model, *files, (across, down), 1, lattice))
    for side in (512, 256):
        for overlap in (32, side // 4, side // 2):
            label = f"tiles of {side}, overlap {overlap}"
            tasks.append((label, arguments.model, *files, (side, side), overlap, 1))
    print("| how | MAD | SAD | Grad | Conn | s | MB |\n|---|---|---|---|---|---|---|")
    whole = None
    for task in tasks:
        with get_context("spawn").Pool(1) as pool:
            alpha, seconds, memory = pool.apply(run, (task,))
        whole = alpha if whole is None else whole
        s = scores(alpha, whole, trimap)
        print(
            f"| {task[0]} | {s.mad:.4f} | {s.sad:.3f} | {s.grad:.3f} | {s.conn:.3f} "
            f"| {seconds:.1f} | {memory:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vitmatte-s")
    for option in ("--weights", "--picture", "--trimap"):
        parser.add_argument(option, type=Path)
    main(parser.parse_args())
