"""Calibrates the unknown band: which pixels that are soft an estimated trimap, or a mask's, covers.

    python benchmarks/band.py --images DIR --alphas DIR [--bundle B] [--recall 0.95]
    python benchmarks/band.py --images DIR --alphas DIR --masks [MODEL.onnx] [--bands 0.02 0.04]

Pictures and alphas go by name; soft is an alpha within 0.05 and 0.95. All figures are means over
pictures.

The first form is about the threshold on P(unknown). For every threshold: the share of soft pixels
that the estimated trimap calls unknown, the share of the whole picture it calls unknown, and the
share of pixels that it calls known and whose class is wrong. The threshold for the cut is the
largest one with the wanted recall; see UNKNOWN_THRESHOLD in export/cuts.

The second is about `edgematte.trimap_from_mask`. It makes masks of the alphas, binary, eroded by
1 % of the longer side, blurred by as much, quantised to three levels, each reduced to 256, 320 and
512 pixels; and, where an ONNX file of a segmenter is given (NCHW, ImageNet's normalisation, its
first output stretched to 0..1, as U^2-Net's), the masks that it finds in the pictures. For every
kind: how well the masks agree with the alphas (intersection over union), and the shares of soft
pixels and of the picture that are unknown with the default band, and with bands of ``--bands``,
shares of the longer side.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgematte.errors import PictureError
from edgematte.host import TrimapHost
from edgematte.imagenet import IMAGENET_MEAN, IMAGENET_STD
from edgematte.pictures import read_grey, read_picture
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import engine_for, open_engine
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.mask import default_band, trimap_from_mask
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.resize import resize_picture, resize_planes
from edgematte.runtime.host.trimap import (
    BACKGROUND,
    FOREGROUND,
    UNKNOWN,
    dilate,
    estimate_trimap,
)

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


def main(images: Path, alphas: Path, bundle: str | None, recall: float) -> None:
    opened = open_bundle(bundle)
    declared = opened.manifest.graph("segment")
    engine = open_engine(engine_for(opened.manifest.target), opened.file(declared), declared)
    host = opened.manifest.host
    assert isinstance(host, TrimapHost)
    segment = RunnableGraph(declared, engine, host)
    rows = {t: np.zeros(3) for t in THRESHOLDS}
    pairs = pairs_of(images, alphas)
    for image, alpha_file in pairs:
        picture, alpha = read_picture(image), read_grey(alpha_file) / 255
        found = segment(image=to_input(resize_picture(picture, host.size)))["trimap"][0]
        soft = soft_pixels(alpha)
        for threshold, row in rows.items():
            trimap = estimate_trimap(
                found,
                (picture.shape[1], picture.shape[0]),
                unknown_threshold=threshold,
                band_px=host.band_px,
            )
            unknown = trimap == UNKNOWN
            wrong = ((trimap == FOREGROUND) & (alpha < 0.5)) | (
                (trimap == BACKGROUND) & (alpha > 0.5)
            )
            row += [unknown[soft].mean() if soft.any() else 1, unknown.mean(), wrong.mean()]
    print(f"{len(pairs)} pictures, band_px {host.band_px}")
    print(f"{'threshold':>10}{'soft in band':>14}{'band of whole':>15}{'known, wrong':>14}")
    for threshold, row in rows.items():
        covered, whole, wrong = row / len(pairs)
        print(f"{threshold:>10.2f}{covered:>14.3f}{whole:>15.3f}{wrong:>14.4f}")
    able = [t for t, row in rows.items() if row[0] / len(pairs) >= recall]
    print(f"largest threshold with {recall:.0%} of the soft pixels: {max(able, default=None)}")


def pairs_of(images: Path, alphas: Path) -> list[tuple[Path, Path]]:
    pairs = [(f, alphas / f"{f.stem}.png") for f in sorted(images.iterdir())]
    return [(image, alpha) for image, alpha in pairs if alpha.is_file()]


def soft_pixels(alpha: NDArray[Any]) -> NDArray[np.bool_]:
    return (alpha > 0.05) & (alpha < 0.95)


def masks(images: Path, alphas: Path, model: str, bands: list[float]) -> None:
    segment = segmenter(model) if model else None
    rows: dict[str, list[list[float]]] = {}
    pairs = pairs_of(images, alphas)
    for image, alpha_file in pairs:
        alpha = read_grey(alpha_file) / 255
        named = dict(made(alpha))
        if segment is not None:
            named[f"of {Path(model).stem}"] = segment(read_picture(image))
        for name, mask in named.items():
            numbers = measured(mask, alpha, bands)
            if numbers:
                rows.setdefault(name, []).append(numbers)
            if numbers and name.startswith("of ") and numbers[0] >= 0.9:
                rows.setdefault(f"{name}, IoU >= 0.9", []).append(numbers)
    print(f"{len(pairs)} pictures; soft pixels covered / unknown share of the picture")
    heads = "".join(f"{f'{band:.1%}':>16}" for band in bands)
    print(f"{'mask':<28}{'pictures':>9}{'IoU':>7}{'default':>16}{heads}")
    means = [np.mean(numbers, axis=0) for name, numbers in rows.items() if "IoU" not in name]
    for name, numbers in {**rows, "all kinds": means}.items():
        agree, *shares = np.mean(numbers, axis=0)
        cells = (f"{c:.3f} / {u:.3f}" for c, u in zip(shares[::2], shares[1::2], strict=True))
        print(f"{name:<28}{len(numbers):>9}{agree:>7.3f}" + "".join(f"{c:>16}" for c in cells))


def made(alpha: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Masks of an alpha (H, W), as other programs might have made and stored them."""
    sides = alpha.shape[1], alpha.shape[0]
    distance = max(1, round(max(sides) / 100))
    binary = alpha >= 0.5
    blur = Image.fromarray(binary.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(distance))
    kinds = {
        "binary": binary,
        "eroded": ~dilate(~binary, distance),
        "blurred": np.asarray(blur) / 255,
        "quantised": np.rint(alpha * 2) / 2,
    }
    for name, whole in kinds.items():
        for side in (256, 320, 512):
            size = tuple(max(1, round(length * side / max(sides))) for length in sides)
            mask = resize_planes(whole.astype(np.float32)[None], (size[0], size[1]))[0]
            yield f"{name}, {side} px", mask >= 0.5 if whole.dtype == np.bool_ else mask


def segmenter(model: str) -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    declared = session.get_inputs()[0]
    height, width = (n if isinstance(n, int) else 320 for n in declared.shape[2:])

    def segment(picture: NDArray[np.uint8]) -> NDArray[Any]:
        plane = to_input(resize_picture(picture, (width, height)))[0]
        plane = plane / max(float(plane.max()), 1e-6)
        plane = (plane - np.array(IMAGENET_MEAN)[:, None, None]) / np.array(IMAGENET_STD)[
            :, None, None
        ]
        found = session.run(None, {declared.name: plane[None].astype(np.float32)})[0].squeeze()
        stretched: NDArray[Any] = (found - found.min()) / max(float(np.ptp(found)), 1e-6)
        return stretched

    return segment


def measured(mask: NDArray[Any], alpha: NDArray[Any], bands: list[float]) -> list[float]:
    """Agreement, then the share of soft pixels and of the picture that are unknown, band by band.

    Nothing of a picture without soft pixels, or with a mask of no subject.
    """
    size = alpha.shape[1], alpha.shape[0]
    soft = soft_pixels(alpha)
    if not soft.any():
        return []
    whole = resize_planes(mask.astype(np.float32)[None], size)[0] >= 0.5
    either = (whole | (alpha >= 0.5)).sum()
    numbers = [float((whole & (alpha >= 0.5)).sum() / max(either, 1))]
    widths = [default_band((mask.shape[1], mask.shape[0]), size)]
    for width in (*widths, *(math.ceil(band * max(size)) for band in bands)):
        try:
            unknown = trimap_from_mask(mask, size, width, fit=True) == UNKNOWN
        except PictureError:
            return []
        numbers += [float(unknown[soft].mean()), float(unknown.mean())]
    return numbers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--alphas", type=Path, required=True)
    parser.add_argument("--bundle")
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--masks", nargs="?", const="", metavar="MODEL.onnx")
    parser.add_argument("--bands", nargs="+", type=float, default=[], metavar="SHARE")
    given = parser.parse_args()
    if given.masks is None:
        main(given.images, given.alphas, given.bundle, given.recall)
    else:
        masks(given.images, given.alphas, given.masks, given.bands)
