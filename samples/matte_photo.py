"""Matte one photograph with the bundle that ships with edgematte, and show what came of it.

    python samples/matte_photo.py [PHOTO] [OUT.png]

Needs `pip install "edgematte[cpu]"`; no torch.
"""

import sys
from pathlib import Path

import edgematte
from edgematte.pictures import cutout, read_picture, write_picture

HERE = Path(__file__).resolve().parent


def main(photo: Path, out: Path) -> None:
    """Read, matte, write; print where the time went."""
    picture = read_picture(photo)  # uint8 (H, W, 3), RGB, upright
    matter = edgematte.load()  # once: it holds the engine
    matte = matter(picture)  # any number of times, from any thread
    write_picture(cutout(picture, matte.alpha), out)
    for stage, seconds in matte.timings.items():
        print(f"{stage:<16}{1000 * seconds:8.1f} ms")
    print(out)


if __name__ == "__main__":
    arguments = [Path(a) for a in sys.argv[1:]]
    main(*(arguments + [HERE / "astronaut.jpg", Path("astronaut-cutout.png")][len(arguments) :]))
