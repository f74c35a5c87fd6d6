"""Draws docs/matte.jpg for the README: a photograph, its trimap, its alpha, two cut-outs.

Trimap, alpha and the first cut-out are of the default bundle, the second is of the finer one.

python docs/make_picture.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

import edgematte
from edgematte.builtin import FOR_TRIMAPS
from edgematte.pictures import alpha_bytes, composite, read_picture

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the bundles that ship with edgematte on the sample photograph."""
    picture = read_picture(HERE.parent / "samples" / "astronaut.jpg")
    matte = edgematte.load()(picture)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] // 16
    checks = np.repeat(np.where((x + y) % 2, 255, 205).astype(np.uint8)[..., None], 3, axis=2)
    grey = [np.repeat(g[..., None], 3, axis=2) for g in (matte.trimap, alpha_bytes(matte.alpha))]
    finer = edgematte.load(FOR_TRIMAPS)(picture)
    cutouts = [composite(picture, found.alpha, checks) for found in (matte, finer)]
    panels = [picture, *grey, *cutouts]
    sheet = Image.fromarray(np.concatenate(panels, axis=1))
    sheet.resize((1500, 300), Image.Resampling.LANCZOS).save(HERE / "matte.jpg", quality=88)
    print(HERE / "matte.jpg")


if __name__ == "__main__":
    main()
