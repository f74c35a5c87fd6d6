"""Draws docs/mattes.jpg: what the bundles that ship make of the photographs in docs/photos.

python docs/make_mattes.py

docs/photos/sources.csv names their authors, sources and licences; the table of docs/quality.md,
between `<!-- photos -->` marks, is made of it.
"""

import csv
from pathlib import Path

import numpy as np
from make_figures import replaced
from PIL import Image

import edgematte
from edgematte.builtin import FOR_TRIMAPS
from edgematte.pictures import alpha_bytes, composite, read_picture
from edgematte.training.evaluation.sheet import contact_sheet

HERE = Path(__file__).resolve().parent
PHOTOS = HERE / "photos"
COLUMNS, TILE_PX, CHECK_PX = 2, 192, 24


def sources() -> list[dict[str, str]]:
    """The rows of sources.csv, in the order of the sheet."""
    with (PHOTOS / "sources.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def tiles(file: Path, default: edgematte.Matter, finer: edgematte.Matter) -> list[Image.Image]:
    """A photograph, its alpha and cut-out over checks by the default bundle, that by the finer."""
    picture = read_picture(file)
    alpha = default(picture).alpha
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] // CHECK_PX
    checks = np.repeat(np.where((x + y) % 2, 255, 205).astype(np.uint8)[..., None], 3, axis=2)
    cutouts = (composite(picture, one, checks) for one in (alpha, finer(picture).alpha))
    planes = (picture, alpha_bytes(alpha), *cutouts)
    return [Image.fromarray(plane) for plane in planes]


def licences(rows: list[dict[str, str]]) -> str:
    """A Markdown table of where the photographs come from."""
    lines = ["| | photograph | author | source | licence |", "|---|---|---|---|---|"]
    for number, row in enumerate(rows, 1):
        place = f"[photos/{row['file']}](photos/{row['file']})"
        cells = (str(number), place, row["author"], row["source"], row["licence"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the bundles that ship with edgematte on every photograph."""
    rows, default, finer = sources(), edgematte.load(), edgematte.load(FOR_TRIMAPS)
    shown = [tiles(PHOTOS / row["file"], default, finer) for row in rows]
    sheet = [sum(shown[i : i + COLUMNS], []) for i in range(0, len(shown), COLUMNS)]
    contact_sheet(sheet, TILE_PX).save(HERE / "mattes.jpg", quality=85)
    print(HERE / "mattes.jpg")
    replaced(HERE / "quality.md", "photos", licences(rows))


if __name__ == "__main__":
    main()
