"""Foreground colours beside pymatting's, on real mattes: errors of colour, halos, time.

    python benchmarks/foreground.py FOLDER [--side 640] [--megapixels 8]

FOLDER holds NAME-image.png and NAME-alpha.png, such as those of alphamatting.com. The true colours
are those that the closed-form estimate (Levin, Lischinski and Weiss, 2008) finds in a photograph;
they are put before the next photograph with the real alpha, which gives pictures whose foreground
is known. The estimates see these and the alpha. Printed, where alpha is between 0 and 1:

* colour: mean distance from the true colours, levels of 255,
* halo: mean distance of composites before six colours from composites of the true ones, in light,
* ms: of one thread, the least of three runs in turns, at so many megapixels.

Needs `pip install pymatting` (group `evaluation`).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.arrays import Bytes, Floats
from edgematte.pictures import composite, read_grey, read_picture
from edgematte.runtime.host.foreground import estimate_foreground

BEHIND = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "red": (200, 30, 30),
    "green": (0, 177, 64),
    "blue": (30, 60, 200),
}
Estimate = Callable[[Bytes, Floats], Bytes]


def pymattings(picture: Bytes, alpha: Floats) -> Bytes:
    from pymatting import estimate_foreground_ml

    found = estimate_foreground_ml(picture / np.float32(255), alpha)
    return in_bytes(found)


def in_bytes(colours: NDArray[Any]) -> Bytes:
    """Colours in [0, 1], or a little outside, in 8 bits."""
    return np.asarray(np.rint(np.clip(colours, 0, 1) * 255), np.uint8)


ESTIMATES: dict[str, Estimate] = {
    "the picture's own": lambda picture, alpha: picture,
    "edgematte": estimate_foreground,
    "pymatting, multi-level": pymattings,
}


def load(folder: Path, side: int) -> list[tuple[Bytes, Floats]]:
    """Photographs and their alphas, whose longer side is at most this."""
    pairs = []
    for file in sorted(folder.glob("*-image.png")):
        picture = Image.fromarray(read_picture(file))
        alpha = Image.fromarray(read_grey(file.with_name(file.name.replace("-image", "-alpha"))))
        picture.thumbnail((side, side), Image.Resampling.BOX)
        alpha = alpha.resize(picture.size, Image.Resampling.BOX)
        pairs.append((np.asarray(picture), np.asarray(alpha, np.float32) / np.float32(255)))
    return pairs


def truth(picture: Bytes, alpha: Floats) -> Bytes:
    """The colours of the closed-form estimate."""
    from pymatting import estimate_foreground_cf

    found = estimate_foreground_cf(picture / 255.0, alpha.astype(np.float64))
    return in_bytes(found)


def quality(pairs: list[tuple[Bytes, Floats]]) -> dict[str, tuple[float, float]]:
    """Colour error and halo of each estimate, means of all pictures."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ESTIMATES}
    for i, (photo, alpha) in enumerate(pairs):
        size = photo.shape[1], photo.shape[0]
        behind = np.asarray(Image.fromarray(pairs[(i + 1) % len(pairs)][0]).resize(size))
        true = truth(photo, alpha)
        mixed = composite(true, alpha, behind)
        soft = (alpha > 0) & (alpha < 1)
        for name, estimate in ESTIMATES.items():
            front = estimate(mixed, alpha)
            halos = []
            for colour in BEHIND.values():
                before = np.array(colour, np.uint8)
                seen, wanted = (composite(f, alpha, before, linear=True) for f in (front, true))
                halos.append(distance(seen, wanted, soft))
            found[name].append((distance(front, true, soft), float(np.mean(halos))))
    return {name: tuple(np.mean(rows, axis=0)) for name, rows in found.items()}


def distance(first: Bytes, second: Bytes, where: NDArray[np.bool_]) -> float:
    """Mean of absolute differences in levels."""
    return float(np.abs(first[where].astype(int) - second[where]).mean())


def times(pair: tuple[Bytes, Floats], megapixels: float) -> dict[str, float]:
    """Milliseconds of each estimate."""
    photo, alpha = pair
    scale = (megapixels * 1e6 / alpha.size) ** 0.5
    size = round(alpha.shape[1] * scale), round(alpha.shape[0] * scale)
    picture = np.asarray(Image.fromarray(photo).resize(size))
    matte = np.asarray(Image.fromarray(alpha).resize(size)).clip(0, 1)
    best = dict.fromkeys(ESTIMATES, float("inf"))
    for _ in range(3):
        for name, estimate in ESTIMATES.items():
            start = time.perf_counter()
            estimate(picture, matte)
            best[name] = min(best[name], 1000 * (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--megapixels", type=float, default=8.0)
    arguments = parser.parse_args()
    pairs = load(arguments.folder, arguments.side)
    errors, spent = quality(pairs), times(pairs[0], arguments.megapixels)
    print("| colours | colour | halo | ms |\n|---|---|---|---|")
    for name in ESTIMATES:
        colour, halo = errors[name]
        print(f"| {name} | {colour:.2f} | {halo:.2f} | {spent[name]:.0f} |")


if __name__ == "__main__":
    main()
