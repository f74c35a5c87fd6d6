"""Quality against the number of refined regions: what --max-regions costs, as a curve.

    python benchmarks/portrait_budget.py [BUNDLE] [--images DIR --alphas DIR] [--points 9]

For shares of the regions found, the mean absolute alpha error over the unknown regions and the
time of a frame: the most uncertain regions first, as the budget takes them, and beside that as many
taken at random. The error is against the alphas given; without any, against the matte with every
region refined, which says how soon the rest stops mattering. Without a BUNDLE, `regional-tiny` with
random weights.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgematte
from edgematte.arrays import Floats
from edgematte.export import export
from edgematte.pictures import read_grey, read_picture
from edgematte.runtime.nets.regional import stages
from edgematte.runtime.nets.regional.regions import most_uncertain
from edgematte.testcard import testcard

Pair = tuple[NDArray[np.uint8], NDArray[np.float32] | None]
ROUNDS = 3


def main(bundle: Path | None, images: Path | None, alphas: Path | None, points: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        if bundle is None:
            bundle = Path(scratch) / "tiny"
            export("regional-tiny", target="onnx", size=512, random_weights=True, output=bundle)
        matter = edgematte.load(bundle)
    pictures = pairs(images, alphas)
    whole = [matter(picture) for picture, _ in pictures]
    print(f"{len(pictures)} pictures, {sum(m.counts['regions found'] for m in whole)} regions")
    print(f"{'share':>6} {'regions':>8} {'error':>9} {'at random':>10} {'ms':>8}")
    for share in np.linspace(0, 1, points):
        rows = []
        for (picture, truth), full in zip(pictures, whole, strict=True):
            count = round(float(share) * full.counts["regions found"])
            wanted = full.alpha if truth is None else truth
            band = full.trimap == 128
            first, ms = limited(matter, picture, count)
            chance, _ = limited(matter, picture, count, np.random.default_rng(0))
            errors = [float(np.abs(a - wanted)[band].mean()) for a in (first, chance)]
            rows.append((count, *errors, ms))
        mean, error, other, ms = (statistics.fmean(column) for column in zip(*rows, strict=True))
        print(f"{share:>6.2f} {mean:>8.0f} {error:>9.5f} {other:>10.5f} {ms:>8.1f}", flush=True)


def limited(
    matter: edgematte.Matter,
    picture: NDArray[np.uint8],
    count: int,
    random: np.random.Generator | None = None,
) -> tuple[NDArray[np.float32], float]:
    """Alpha with so many regions refined, and the median milliseconds; random: in no order."""

    def shuffled(trimap: Floats, cells: NDArray[np.int32], most: int) -> NDArray[np.int64]:
        assert random is not None
        return np.sort(random.permutation(len(cells))[:most])

    chosen: Any = most_uncertain if random is None else shuffled
    stages.most_uncertain = chosen  # type: ignore[attr-defined]
    matter.limit(max_regions=count)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        alpha = matter(picture).alpha
        times.append(1000 * (time.perf_counter() - start))
    stages.most_uncertain = most_uncertain  # type: ignore[attr-defined]
    return alpha, statistics.median(times)


def pairs(images: Path | None, alphas: Path | None) -> list[Pair]:
    """Pictures with their alphas, by name; the test card without any."""
    if images is None:
        return [(testcard(512, 512), None), (testcard(480, 400), None)]
    found: list[Pair] = []
    for file in sorted(f for f in images.iterdir() if f.is_file()):
        beside = next(alphas.glob(f"{file.stem}.*"), None) if alphas else None
        truth = None if beside is None else read_grey(beside).astype(np.float32) / np.float32(255)
        found.append((read_picture(file), truth))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--alphas", type=Path)
    parser.add_argument("--points", type=int, default=9)
    given = parser.parse_args()
    main(given.bundle, given.images, given.alphas, given.points)
