"""Many threads that call one Matter: their mattes beside those of one call after the other."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import edgematte
from edgematte.testcard import testcard

EACH = 4  # pictures of a thread
ENGINES = ("onnxruntime", "openvino")


def report(count: int) -> int:
    """Print a row for each engine; returns how many mattes differ."""
    pictures = [testcard(40 + 3 * n, 64 - n % 20) for n in range(count * EACH)]
    different = 0
    for engine in ENGINES:
        with edgematte.load(engine=engine) as matter:
            alone = [matter(picture).alpha for picture in pictures]
            start = time.perf_counter()
            with ThreadPoolExecutor(count) as pool:
                together = list(pool.map(lambda picture: matter(picture).alpha, pictures))
            seconds = time.perf_counter() - start
        pairs = zip(alone, together, strict=True)
        unequal = sum(not np.array_equal(one, other) for one, other in pairs)
        different += unequal
        print(
            f"{engine}: {count} threads, {len(pictures)} pictures in {seconds:.1f} s: "
            f"{unequal} mattes differ from one call after the other"
        )
    return different
