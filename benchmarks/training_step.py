"""What bfloat16 and channels-last maps are worth to a training step, side by side.

    python benchmarks/training_step.py [--size 256] [--batch 8] [--rounds 9] [--threads 2]

The lightweight net by its recipe, made pictures, in turns (A B C A B C) in one process; medians of
whole steps: forward, losses, backward, optimizer, average of the weights.
"""

import argparse
import statistics
import time

import torch

from edgematte.checkpoint import random_model
from edgematte.nets import find
from edgematte.training.engine.learner import Learner
from edgematte.training.pictures.sources import Library
from edgematte.training.recipes import recipe

CPU = torch.device("cpu")
KINDS = {
    "float32, contiguous": (torch.float32, torch.contiguous_format),
    "float32, channels last": (torch.float32, torch.channels_last),
    "bfloat16, contiguous": (torch.bfloat16, torch.contiguous_format),
    "bfloat16, channels last": (torch.bfloat16, torch.channels_last),
}


def main(size: int, batch: int, rounds: int, threads: int) -> None:
    torch.set_num_threads(threads)
    chosen = recipe("lightweight")
    samples = chosen.samples(Library(), size, size, 0)
    shown = chosen.collate([samples[i] for i in range(batch)])
    learners = {}
    for name, (precision, layout) in KINDS.items():
        learner = Learner(chosen, random_model(find("lightweight"), {}, 0)[0], CPU, precision)
        learner.model.to(memory_format=layout)
        learners[name] = learner
    times: dict[str, list[float]] = {name: [] for name in KINDS}
    for turn in range(rounds + 1):
        for name, learner in learners.items():
            start = time.perf_counter()
            learner.step(shown, 1e-4, 3, keep_norms=False)
            if turn:  # the first one allocates
                times[name].append(time.perf_counter() - start)
    first = statistics.median(next(iter(times.values())))
    print(f"{batch} pictures of {size} pixels, {threads} threads")
    for name, spent in times.items():
        median = statistics.median(spent)
        print(f"{name:24} {median:6.3f} s a step {first / median:6.2f}x")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    main(given.size, given.batch, given.rounds, given.threads)
