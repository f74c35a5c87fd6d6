"""Milliseconds and bytes of a cut-out by level of PNG, and of WebP.

    python benchmarks/png_levels.py photograph.jpg [...]

Processor time of one thread, the least of three, levels in turns; a table as in docs/pictures.md.
"""

import sys
import time
from pathlib import Path

import edgematte
from edgematte.pictures import cutout, encode, open_picture

RUNS = 3
WRITTEN = [("PNG", level) for level in (0, 1, 3, 6, 9)] + [("WEBP", None)]


def main() -> None:
    matter = edgematte.load()
    cutouts = []
    for name in sys.argv[1:]:
        picture = open_picture(Path(name))
        cutouts.append(cutout(picture.pixels, matter(picture.image).alpha))
    if not cutouts:
        sys.exit(__doc__)
    pixels = sum(c.shape[0] * c.shape[1] for c in cutouts)
    least: dict[tuple[str, int | None, int], tuple[float, int]] = {}
    for _ in range(RUNS):
        for kind, level in WRITTEN:
            for number, array in enumerate(cutouts):
                start = time.thread_time()
                data = encode(array, kind, png_level=level)
                spent = time.thread_time() - start
                key = kind, level, number
                least[key] = min(least.get(key, (spent, 0)), (spent, len(data)))
    print("| written | ms a megapixel | bytes a pixel |\n|---|---|---|")
    for kind, level in WRITTEN:
        found = [v for k, v in least.items() if k[:2] == (kind, level)]
        seconds, size = (sum(v[i] for v in found) for i in (0, 1))
        name = f"PNG, level {level}{' (default)' * (level == 1)}" if kind == "PNG" else "WebP"
        print(f"| {name} | {1e9 * seconds / pixels:.0f} | {size / pixels:.2f} |")


if __name__ == "__main__":
    main()
