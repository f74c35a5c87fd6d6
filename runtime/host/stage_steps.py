"""The host steps of a bundle's trimap stage, declared for ports of the host side."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.host import StageHost
from edgematte.runtime.host.made import Pool
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.steps import PICTURE, REDUCED, SIZE, TRIMAP, Array, Arrays, HostStep
from edgematte.runtime.host.trimap import estimate_trimap
from edgematte.runtime.host.trimap_stage import without_specks

PIECES = ((1, 1), (5, 20), (11, 11), (12, 11), (40, 40))
"""Rows and columns of made-up islands and holes, some below and some above the usual limit."""


def speckled(pool: Pool) -> Floats:
    """Made-up probabilities (3, h, w): a subject with a soft rim, with islands and with holes.

    All are multiples of 1/8. Where the subject is one half, background is not below one half.
    """
    height, width = pool["reduced"].shape[:2]
    row, column = np.indices((height, width))
    across, down = (column - width / 2) / width, (row - height * 0.55) / height
    subject = np.rint(np.clip(4.5 - 16 * np.hypot(across, down), 0, 1) * 8) / 8
    step = max(width // (len(PIECES) + 1), 1)
    for number, (tall, wide) in enumerate(PIECES):
        left = step * (number + 1) - wide // 2
        subject[8 : 8 + tall, left : left + wide] = 0.75
        left = width // 3 + number * width // 16
        middle = height // 2
        subject[middle : middle + tall, left : left + min(wide, width // 20)] = 0.25
    foreground = np.clip(2 * subject - 1, 0, 1)
    return np.stack([1 - subject, foreground, subject - foreground]).astype(np.float32)


PROBABILITIES = Array("probabilities", "(3, h, w)", unit=True, made=speckled)
CLEANED = Array("cleaned", "(3, h, w)", note="without small islands and holes")


def reduce(host: StageHost, picture: Bytes) -> Arrays:
    """The picture at the size of the stage's graph."""
    return {"reduced": resize_picture(picture, host.size)}


def clean(host: StageHost, probabilities: Floats) -> Arrays:
    """The probabilities without small islands and holes."""
    return {"cleaned": without_specks(probabilities, host.speck_share)}


def trimap(host: StageHost, cleaned: Floats, size: NDArray[np.int32]) -> Arrays:
    """The trimap of the picture."""
    whole = estimate_trimap(
        cleaned,
        (int(size[0]), int(size[1])),
        unknown_threshold=host.unknown_threshold,
        band_px=host.band_px,
    )
    return {"trimap": whole}


STAGE_STEPS = (
    HostStep("reduce", reduce, (PICTURE,), (REDUCED,)),
    HostStep("clean", clean, (PROBABILITIES,), (CLEANED,)),
    HostStep("trimap", trimap, (CLEANED, SIZE), (TRIMAP,)),
)
