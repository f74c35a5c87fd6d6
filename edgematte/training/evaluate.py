"""Score a lightweight checkpoint: `python -m edgematte.training.evaluate WEIGHTS --test T ...`."""

import argparse
import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch.nn import functional as F

from edgematte.checkpoint import load_model
from edgematte.errors import PictureError
from edgematte.metrics import mad, mse, sad, unknown_region
from edgematte.models.lightweight import Lightweight
from edgematte.registry import LIGHTWEIGHT
from edgematte.training.scenes import composite_scene
from edgematte.training.sources import Library, load_library

log = logging.getLogger(__name__)

Alpha = NDArray[np.float32]
SIDE_PX = 512
EDGE_PX = 9  # width of the band around a binary mask's edge that is not scored


def _tensor(image: Image.Image) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return pixels.permute(2, 0, 1)[None].float() / 255


def matte_whole(model: Lightweight, image: Image.Image, side_px: int = SIDE_PX) -> Alpha:
    """Alpha (H, W) of the whole picture stretched to a square and back."""
    square = image.convert("RGB").resize((side_px, side_px), Image.Resampling.BILINEAR)
    alpha = model(_tensor(square))[0]
    size = (image.height, image.width)
    full = F.interpolate(alpha, size, mode="bilinear", align_corners=False, antialias=True)
    return np.asarray(full[0, 0].clamp(0, 1).numpy())


def matte_given(model: Lightweight, image: Image.Image, trimap: NDArray[np.uint8]) -> Alpha:
    """Alpha (H, W) at full size by MRN alone, with a given trimap in place of SN's answer."""
    classes = np.where(unknown_region(trimap), 2, np.where(trimap == 255, 1, 0))
    one_hot = F.one_hot(torch.from_numpy(classes), 3).permute(2, 0, 1)[None].float()
    height, width = classes.shape
    padding = (0, -width % 64, 0, -height % 64)
    picture = F.pad(_tensor(image), padding, mode="replicate")
    alpha = model.matte(picture, F.pad(one_hot, padding, mode="replicate"))
    return np.asarray(alpha[0, 0, :height, :width].clamp(0, 1).numpy())


def score_people(model: Lightweight, folder: Path) -> dict[str, float]:
    """Mean IoU (alpha > 0.5) and MAD against binary masks, without the band at their edge."""
    ious, mads = [], []
    for file in _pictures(folder / "image"):
        mask = Image.open(folder / "mask" / f"{file.stem}.png").convert("L")
        blurred = np.asarray(mask.filter(ImageFilter.BoxBlur(EDGE_PX // 2)))
        region = (blurred == 0) | (blurred == 255)
        alpha = matte_whole(model, Image.open(file))
        truth = (np.asarray(mask) > 127).astype(np.float32)
        found, true = (alpha > 0.5)[region], (truth > 0)[region]
        ious.append((found & true).sum() / max(1, (found | true).sum()))
        mads.append(mad(alpha, truth, region))
    return {"iou": float(np.mean(ious)), "mad": float(np.mean(mads)), "pictures": len(ious)}


def _pictures(folder: Path) -> list[Path]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    if not files:
        raise PictureError(f"no pictures in {folder}")
    return files


def _pairs(folder: Path) -> Iterator[tuple[Image.Image, Alpha, NDArray[np.uint8]]]:
    for file in _pictures(folder):
        if file.stem.endswith("-image"):
            name = file.stem.removesuffix("-image")
            alpha = Image.open(folder / f"{name}-alpha.png").convert("L")
            trimap = Image.open(folder / f"{name}-trimap.png").convert("L")
            truth = np.asarray(alpha, dtype=np.float32) / np.float32(255)
            yield Image.open(file), truth, np.asarray(trimap)


def _means(rows: Iterable[dict[str, float]]) -> dict[str, float]:
    table = list(rows)
    means = {name: float(np.mean([row[name] for row in table])) for name in table[0]}
    return {**means, "pictures": len(table)}


def score_alphamatting(model: Lightweight, folder: Path) -> dict[str, dict[str, float]]:
    """Pictures `X-image`, `X-alpha`, `X-trimap`: without a trimap, and with it given to MRN.

    `free` scores the whole picture; `free_unknown` and `given_unknown` the trimap's unknown.
    """
    rows: dict[str, list[dict[str, float]]] = {"free": [], "free_unknown": [], "given_unknown": []}
    for image, truth, trimap in _pairs(folder):
        free, given = matte_whole(model, image), matte_given(model, image, trimap)
        region = unknown_region(trimap)
        for name, alpha, where in (
            ("free", free, None),
            ("free_unknown", free, region),
            ("given_unknown", given, region),
        ):
            values = {metric.__name__: metric(alpha, truth, where) for metric in (sad, mad, mse)}
            rows[name].append(values)
    return {name: _means(values) for name, values in rows.items()}


def score_composites(model: Lightweight, library: Library, count: int) -> dict[str, float]:
    """Seeded composites of held-out subjects over held-out backgrounds, at `SIDE_PX`."""
    rows = []
    for index in range(count):
        scene = composite_scene(np.random.default_rng((2**20, index)), library, SIDE_PX)
        alpha = matte_whole(model, scene.image)
        truth = np.asarray(scene.alpha, dtype=np.float32) / np.float32(255)
        rows.append({"sad": sad(alpha, truth), "mad": mad(alpha, truth), "mse": mse(alpha, truth)})
    return _means(rows)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, score, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="a folder or .safetensors with its .json")
    parser.add_argument("--test", type=Path, help="folder with people and alphamatting")
    parser.add_argument("--data", type=Path, help="the training folder, for its held-out part")
    parser.add_argument("--composites", type=int, default=200)
    options = parser.parse_args(arguments)
    model, _ = load_model(LIGHTWEIGHT, options.weights)
    assert isinstance(model, Lightweight)
    report: dict[str, object] = {}
    with torch.inference_mode():
        if options.test:
            report["people"] = score_people(model, options.test / "people")
            report["alphamatting"] = score_alphamatting(model, options.test / "alphamatting")
        if options.data:
            held_out = load_library(options.data, validation=True)
            report["composites"] = score_composites(model, held_out, options.composites)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
