"""Calibrates the unknown band: which threshold on P(unknown) covers the pixels that are soft.

    python benchmarks/band.py --images DIR --alphas DIR [--bundle B] [--recall 0.95]

Pictures and alphas go by name. For every threshold: the share of soft pixels (alpha within 0.05 and
0.95) that the estimated trimap calls unknown, the share of the whole picture it calls unknown, and
the share of pixels that it calls known and whose class is wrong. The threshold for the cut is the
largest one with the wanted recall; see UNKNOWN_THRESHOLD in export/cuts.
"""

import argparse
from pathlib import Path

import numpy as np

from edgematte.pictures import read_grey, read_picture
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import engine_for, open_engine
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN, estimate_trimap

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


def main(images: Path, alphas: Path, bundle: str | None, recall: float) -> None:
    opened = open_bundle(bundle)
    declared = opened.manifest.graph("segment")
    engine = open_engine(engine_for(opened.manifest.target), opened.file(declared), declared)
    host = opened.manifest.host
    segment = RunnableGraph(declared, engine, host)
    rows = {t: np.zeros(3) for t in THRESHOLDS}
    pairs = [(f, alphas / f"{f.stem}.png") for f in sorted(images.iterdir())]
    pairs = [(image, alpha) for image, alpha in pairs if alpha.is_file()]
    for image, alpha_file in pairs:
        picture, alpha = read_picture(image), read_grey(alpha_file) / 255
        found = segment(image=to_input(resize_picture(picture, host.size)))["trimap"][0]
        soft = (alpha > 0.05) & (alpha < 0.95)
        for threshold, row in rows.items():
            trimap = estimate_trimap(
                found,
                (picture.shape[1], picture.shape[0]),
                unknown_threshold=threshold,
                band_px=host.band_px or 0,
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--alphas", type=Path, required=True)
    parser.add_argument("--bundle")
    parser.add_argument("--recall", type=float, default=0.95)
    given = parser.parse_args()
    main(given.images, given.alphas, given.bundle, given.recall)
