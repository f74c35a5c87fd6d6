"""Score a checkpoint or a bundle: `python -m edgematte.training.evaluate WEIGHTS --test T ...`.

`T/people/{image,mask}`: photographs with binary masks. `T/alphamatting/X-{image,alpha,trimap}.png`:
photographs with measured alphas. Composites are made of `--foregrounds` and `--backgrounds`.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgematte.atomic import atomic_file
from edgematte.cli.sources import add_sources, parse_sources
from edgematte.cli.streams import as_program
from edgematte.errors import OptionError, PictureError
from edgematte.metrics import mad, mse, sad, scores
from edgematte.pictures import read_grey, read_picture
from edgematte.pictures.formats import format_of, refuse_unfit, row_of
from edgematte.ranges import OPTIONS, check
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN, dilate
from edgematte.training.evaluation.classical import METHODS, classical_matte, half_matte
from edgematte.training.evaluation.confidence import Samples, confidence, samples_of
from edgematte.training.evaluation.matte import SIDE_PX, Alpha, Scored, scored
from edgematte.training.evaluation.sheet import contact_sheet
from edgematte.training.pictures.folders import picture_files
from edgematte.training.pictures.scenes import composite_scene
from edgematte.training.pictures.sources import Folders, Library, Photo, load_library

BAND_PX = 10  # around soft pixels, in the trimaps of nets that need one
SOFT = 5  # from here to 255 less it an alpha's byte is soft
EDGE_PX = 9  # width of the band around the edge of a binary mask that is not scored
SHOWN, COLUMNS, TILE_PX = 12, 2, 192

Row = dict[str, float]


class Gallery:
    """Collects mattes with their errors, and makes a contact sheet of a dozen of them."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, list[Image.Image]]] = []

    def add(self, error: float, image: Image.Image, truth: Alpha, alpha: Alpha) -> None:
        """Keep small copies of a picture (RGB), its true alpha and the net's alpha (H, W)."""
        planes = [Image.fromarray((a * 255 + 0.5).astype(np.uint8)) for a in (truth, alpha)]
        pictures = [image.convert("RGB"), *planes]
        for picture in pictures:
            picture.thumbnail((TILE_PX, TILE_PX))
        self.seen.append((error, pictures))

    def sheet(self) -> Image.Image:
        """Up to twelve pictures at even steps from the best to the worst, two a row.

        Each has three tiles: the picture, its true alpha and the net's alpha.
        """
        self.seen.sort(key=lambda pair: pair[0])
        last = len(self.seen) - 1
        steps = sorted({round(i * last / (SHOWN - 1)) for i in range(SHOWN)})
        chosen = [self.seen[i][1] for i in steps]
        rows = [sum(chosen[i : i + COLUMNS], []) for i in range(0, len(chosen), COLUMNS)]
        return contact_sheet(rows, TILE_PX)


def whole(net: Scored, image: Image.Image) -> Alpha:
    """Alpha of a picture alone.

    Raises:
        OptionError: the net needs a trimap.
    """
    alpha = net.whole(image)
    if alpha is None:
        raise OptionError(
            "this net needs a trimap: score it on --test DIR with alphamatting alone, whose "
            "pictures have one"
        )
    return alpha


def score_people(net: Scored, folder: Path, gallery: Gallery) -> Row:
    """Mean IoU (alpha > 0.5) and MAD against binary masks, without a band at their edges."""
    ious, mads = [], []
    for file in picture_files(folder / "image"):
        mask = Image.fromarray(read_grey(folder / "mask" / f"{file.stem}.png"))
        blurred = np.asarray(mask.filter(ImageFilter.BoxBlur(EDGE_PX // 2)))
        region = (blurred == 0) | (blurred == 255)
        image = Image.fromarray(read_picture(file))
        alpha = whole(net, image)
        truth = (np.asarray(mask) > 127).astype(np.float32)
        predicted, true = (alpha > 0.5)[region], (truth > 0)[region]
        ious.append((predicted & true).sum() / max(1, (predicted | true).sum()))
        mads.append(mad(alpha, truth, region))
        gallery.add(mads[-1], image, truth, alpha)
    return {"iou": float(np.mean(ious)), "mad": float(np.mean(mads)), "pictures": len(ious)}


def _means(rows: Iterable[Row]) -> Row:
    table = list(rows)
    means = {name: float(np.mean([row[name] for row in table])) for name in table[0]}
    return {**means, "pictures": len(table)}


def score_alphamatting(
    net: Scored, folder: Path, gallery: Gallery, *, classical: bool = False
) -> dict[str, Row]:
    """Score pictures `X-image`, `X-alpha`, `X-trimap` without a trimap, and with it given to MRN.

    `free` scores the whole picture without a trimap. Scores of the trimap's unknown pixels:
    `free_unknown` without and `given_unknown` with the trimap; `half_unknown` of an alpha of 0.5;
    with `classical` also `closed_form_unknown` and `knn_unknown` of pymatting with the trimap.
    """
    rows: dict[str, list[Row]] = {}
    for file in picture_files(folder):
        if not file.stem.endswith("-image"):
            continue
        name = file.stem.removesuffix("-image")
        image = Image.fromarray(read_picture(file))
        alpha = Image.fromarray(read_grey(folder / f"{name}-alpha.png"))
        trimap = read_grey(folder / f"{name}-trimap.png")
        truth = np.asarray(alpha, dtype=np.float32) / np.float32(255)
        free, given = net.whole(image), net.given(image, trimap)
        mattes = {"free_unknown": free, "given_unknown": given, "half_unknown": half_matte(trimap)}
        for method in METHODS if classical else ():
            mattes[f"{method}_unknown"] = classical_matte(method, image, trimap)
        for kind, matte in mattes.items():
            if matte is not None:
                rows.setdefault(kind, []).append(asdict(scores(matte, truth, trimap)))
        best = given if free is None else free
        if free is not None:
            rows.setdefault("free", []).append(asdict(scores(free, truth)))
        if best is not None:
            gallery.add(mad(best, truth), image, truth, best)
    if not rows:
        raise PictureError(f"{folder} has no picture whose name ends in -image")
    return {kind: _means(values) for kind, values in rows.items()}


def score_composites(net: Scored, library: Library, count: int, gallery: Gallery) -> Row:
    """Score seeded composites of held-out subjects over held-out backgrounds, at `SIDE_PX`."""
    draws = (np.random.default_rng((2**20, index)) for index in range(count))
    scenes = (composite_scene(draw, library, SIDE_PX) for draw in draws)
    return _means(_score(net, scene.image, scene.alpha, gallery) for scene in scenes)


def score_pairs(net: Scored, photos: Iterable[Photo], gallery: Gallery) -> Row:
    """Score real photographs with an alpha, made or measured."""
    return _means(_score(net, photo.image, photo.alpha, gallery) for photo in photos)


def _score(net: Scored, image: Image.Image, alpha: Image.Image, gallery: Gallery) -> Row:
    """Errors of the whole picture; of a net that needs a trimap, those where it is unknown."""
    truth = np.asarray(alpha, dtype=np.float32) / np.float32(255)
    found, region = net.whole(image), None
    if found is None:
        trimap = trimap_of(alpha)
        found, region = net.given(image, trimap), trimap == UNKNOWN
        assert found is not None  # a net takes a trimap or needs none
    errors = {kind.__name__: kind(found, truth, region) for kind in (sad, mad, mse)}
    gallery.add(errors["mad"], image, truth, found)
    return errors if region is None else {**errors, "band_px": BAND_PX}


def trimap_of(alpha: Image.Image) -> NDArray[np.uint8]:
    """The trimap (H, W) of a true alpha: unknown are soft pixels, and `BAND_PX` around them."""
    levels = np.asarray(alpha)
    inside = levels > 127
    soft = (levels >= SOFT) & (levels <= 255 - SOFT)
    soft |= np.diff(inside, axis=0, prepend=inside[:1])
    soft |= np.diff(inside, axis=1, prepend=inside[:, :1])
    trimap = np.where(inside, FOREGROUND, BACKGROUND)
    return np.where(dilate(soft, BAND_PX), UNKNOWN, trimap).astype(np.uint8)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, score, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "weights",
        type=Path,
        help="of the lightweight net: a folder or .safetensors with its .json; or any bundle",
    )
    parser.add_argument(
        "--beside", type=Path, metavar="BUNDLE", help="score this bundle on the same pictures"
    )
    parser.add_argument("--test", type=Path, help="folder with people, alphamatting or both")
    parser.add_argument("--classical", action="store_true", help="pymatting on the same trimaps")
    parser.add_argument(
        "--composites", type=int, help="of the held-out pictures (default: 200); 0: none"
    )
    parser.add_argument("--sheet", type=Path, help="write twelve mattes, best to worst, as a PNG")
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="also how often the classes said of --alphas pictures are true, and a temperature",
    )
    add_sources(parser)
    options = parser.parse_args(arguments)
    if options.sheet:
        refuse_unfit(row_of(options.sheet), "colour")  # before any work
    print(json.dumps(evaluate(options), indent=2))


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """The scores that a command line asks for.

    Raises:
        OptionError: there is nothing to score, or an option has no use here.
    """
    folders = parse_sources(options)
    if options.composites is not None:
        check("--composites", options.composites, OPTIONS["composites"])
    if options.classical and not (options.test and (options.test / "alphamatting").is_dir()):
        raise OptionError(
            "--classical compares on --test DIR with alphamatting in it; there is none"
        )
    given = [options.foregrounds, options.veils, getattr(options, "photos", None)]
    alone = not folders.alphas and (any(given) or options.hold_out)
    if not folders.backgrounds and (alone or options.composites):
        raise OptionError("composites need something to be put before: give --backgrounds DIR")
    if options.confidence and not folders.alphas:
        raise OptionError("--confidence needs photographs with alphas: give --images and --alphas")
    gallery = Gallery()
    report = _scores(
        options, folders, scored(options.weights), gallery, believed=options.confidence
    )
    if not report:
        raise OptionError(
            "nothing to score: give --test DIR with people or alphamatting in it, --foregrounds "
            "and --backgrounds, or --images and --alphas, with --hold-out"
        )
    if options.beside is not None:
        report["beside"] = _scores(options, folders, scored(options.beside), Gallery())
    if options.sheet:
        with atomic_file(options.sheet) as scratch:
            gallery.sheet().save(scratch, format_of(options.sheet))
    return report


def _scores(
    options: argparse.Namespace,
    folders: Folders,
    net: Scored,
    gallery: Gallery,
    *,
    believed: bool = False,
) -> dict[str, Any]:
    report: dict[str, Any] = {}
    with torch.inference_mode():
        if options.test and (options.test / "people").is_dir():
            report["people"] = score_people(net, options.test / "people", gallery)
        if options.test and (options.test / "alphamatting").is_dir():
            report["alphamatting"] = score_alphamatting(
                net, options.test / "alphamatting", gallery, classical=options.classical
            )
        share = options.hold_out  # without one the folders are held out as they are
        if folders.backgrounds and options.composites != 0:
            apart = replace(folders, alphas=())  # composites have no use for them
            held_out = load_library(apart, hold_out=share, validation=share > 0)
            report["composites"] = score_composites(
                net, held_out, options.composites or 200, gallery
            )
        told: list[Samples] = []
        for pair in folders.alphas:
            only = Folders(alphas=[pair])
            held_out = load_library(only, hold_out=share, validation=share > 0)
            for photos in held_out.pairs:  # none where no picture of the folder is held out
                name = f"{pair[0].parent.name}/{pair[0].name}"
                report.setdefault("pairs", {})[name] = score_pairs(net, photos, gallery)
                if believed:
                    told += samples_of(net, photos)
        if believed:
            report["confidence"] = confidence(told)
    return report


if __name__ == "__main__":
    as_program("evaluate", main)
