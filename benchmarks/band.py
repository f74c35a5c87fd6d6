"""Calibrates the unknown band: which pixels that are soft an estimated trimap, or a mask's, covers.

    python benchmarks/band.py --images DIR ... --alphas DIR ... [--hold-out 0.1] [--bundle B]
        [--thresholds 0.1 0.3] [--band-px 4 8] [--temperatures 1 1.3] [--refine] [--enlarge 3]
    python benchmarks/band.py --photos FILE ... --size 1920x1080 --thresholds 0.1 0.3
    python benchmarks/band.py --images DIR --alphas DIR --masks [MODEL.onnx] [--bands 0.02 0.04]

Pictures and alphas go by name; with --hold-out only the pictures that `edgematte train` keeps
apart. Soft is an alpha within 0.05 and 0.95. All figures are means over pictures.

The first form is about the threshold on P(unknown) and how far the band is grown. For every pair:
the share of soft pixels that the estimated trimap calls unknown, the share of the whole picture it
calls unknown, and the share of pixels that it calls known and whose class is wrong. With --refine
also the mean error of alpha in the split cut (MAD, MSE), and over soft pixels alone, alpha's mean
where it should be above 0.95 (opacity) and below 0.05 (leak), the seam score, and how many patches
were refined. See UNKNOWN_THRESHOLD in export/cuts. A bundle with a cascade is measured alike: its
first net's trimaps, and the alpha that its own net makes of them.

The second says what a pair costs on photographs of one size, which are enlarged where they are
smaller: the unknown share, the share of the picture that stays half transparent, patches refined,
the seam score, and milliseconds.

The third is about `edgematte.trimap_from_mask`. It makes masks of the alphas, binary, eroded by
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
from threshold import Bundle, Way, soft_pixels, table, times

from edgematte.cli.arguments import parse_size
from edgematte.errors import PictureError
from edgematte.imagenet import IMAGENET_MEAN, IMAGENET_STD
from edgematte.pictures import read_grey, read_picture
from edgematte.runtime.host.mask import default_band, trimap_from_mask
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.resize import resize_picture, resize_planes
from edgematte.runtime.host.trimap import UNKNOWN, dilate
from edgematte.training.pictures.sources import held_out

THRESHOLDS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]


def pairs_of(images: Path, alphas: Path, hold_out: float = 0) -> list[tuple[Path, Path]]:
    pairs = [(f, alphas / f"{f.stem}.png") for f in sorted(images.iterdir())]
    return [
        (image, alpha)
        for image, alpha in pairs
        if alpha.is_file() and (not hold_out or held_out(image.name, hold_out))
    ]


def masks(pairs: list[tuple[Path, Path]], model: str, bands: list[float]) -> None:
    segment = segmenter(model) if model else None
    rows: dict[str, list[list[float]]] = {}
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


def main(given: argparse.Namespace) -> None:
    if len(given.images) != len(given.alphas):
        raise SystemExit("band: give as many --alphas as --images")
    pairs = [
        pair
        for images, alphas in zip(given.images, given.alphas, strict=True)
        for pair in pairs_of(images, alphas, given.hold_out)
    ]
    if given.masks is not None:
        masks(pairs, given.masks, given.bands)
        return
    bundle = Bundle(given.bundle, given.threads)
    ways = [
        Way(threshold, band, temperature)
        for temperature in given.temperatures
        for band in given.band_px or [bundle.host.band_px]
        for threshold in given.thresholds
    ]
    if given.photos:
        times(given.photos, parse_size(given.size), bundle, ways, given.rounds)
    if pairs:
        table(pairs, bundle, ways, enlarge=given.enlarge, refine=given.refine, recall=given.recall)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", default=[])
    parser.add_argument("--alphas", type=Path, nargs="+", default=[])
    parser.add_argument("--hold-out", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--bundle")
    parser.add_argument("--thresholds", type=float, nargs="+", default=THRESHOLDS)
    parser.add_argument("--band-px", type=int, nargs="+", help="default: the bundle's")
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.0])
    parser.add_argument("--refine", action="store_true", help="also the errors of alpha")
    parser.add_argument("--enlarge", type=int, default=1, metavar="TIMES")
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--photos", type=Path, nargs="+", default=[])
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--masks", nargs="?", const="", metavar="MODEL.onnx")
    parser.add_argument("--bands", nargs="+", type=float, default=[], metavar="SHARE")
    main(parser.parse_args())
