"""Draws docs/matte.jpg for the README: a photograph, its trimap, its alpha, its cut-out.

python docs/make_picture.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

import edgematte
from edgematte.pictures import alpha_bytes, composite, read_picture

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the bundle that ships with edgematte on the sample photograph."""
    picture = read_picture(HERE.parent / "samples" / "astronaut.jpg")
    matte = edgematte.load()(picture)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] // 16
    checks = np.repeat(np.where((x + y) % 2, 255, 205).astype(np.uint8)[..., None], 3, axis=2)
    grey = [np.repeat(g[..., None], 3, axis=2) for g in (matte.trimap, alpha_bytes(matte.alpha))]
    panels = [picture, *grey, composite(picture, matte.alpha, checks)]
    sheet = Image.fromarray(np.concatenate(panels, axis=1))
    sheet.resize((1200, 300), Image.Resampling.LANCZOS).save(HERE / "matte.jpg", quality=88)
    print(HERE / "matte.jpg")


if __name__ == "__main__":
    main()
