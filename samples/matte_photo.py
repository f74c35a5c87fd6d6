"""Matte one photograph with the bundle that ships with edgematte, and show what came of it.

    python samples/matte_photo.py [PHOTO] [OUT.png]

Needs `pip install "edgematte[cpu]"`; no torch.
"""

import sys
from pathlib import Path

import edgematte

HERE = Path(__file__).resolve().parent


def main(photo: Path, out: Path) -> None:
    """Read, matte, write; print where the time went."""
    matter = edgematte.load()  # once: it holds the engine
    matte = matter(photo)  # any number of times, from any thread; arrays and PIL images, too
    matte.save(out)  # with the photograph's colour profile
    for stage, seconds in matte.timings.items():
        print(f"{stage:<16}{1000 * seconds:8.1f} ms")
    print(out)


if __name__ == "__main__":
    arguments = [Path(a) for a in sys.argv[1:]]
    main(*(arguments + [HERE / "astronaut.jpg", Path("astronaut-cutout.png")][len(arguments) :]))
