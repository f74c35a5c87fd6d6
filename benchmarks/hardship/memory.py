"""Thousands of mattes in one process: what they add to its resident memory."""

import random
from pathlib import Path

import edgematte
from edgematte.testcard import testcard

WARM = 500  # mattes after which memory is counted: caches and allocators are full by then
MOST_MB = 20.0
SIZES = tuple((width, height) for width in (24, 40, 56, 72) for height in (24, 40, 56))


def report(count: int) -> int:
    """Print resident memory as it goes; 1 if it grew by more than so many MB."""
    chance = random.Random(1)
    pictures = [testcard(*size) for size in SIZES]
    start = 0.0
    most = 0.0
    with edgematte.load(threads=1) as matter:
        for number in range(count):
            matter(chance.choice(pictures))
            if number == min(WARM, count // 2):
                start = resident_mb()
            if number and number % max(1, count // 10) == 0:
                most = max(most, resident_mb())
                print(f"{number} mattes: {resident_mb():.1f} MB", flush=True)
    grown = max(most, resident_mb()) - start
    print(f"{count} mattes in one process: {start:.1f} MB resident, grown by {grown:.1f} MB")
    return int(grown > MOST_MB)


def resident_mb() -> float:
    """Resident memory of this process, on Linux, in 1e6 bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
