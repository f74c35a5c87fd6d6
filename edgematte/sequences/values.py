"""What the frames of a clip of trimaps or masks say."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.clips.reading import Clip
from edgematte.pictures.masks import LOST


def clip_values(clip: Clip) -> Iterator[NDArray[Any]]:
    """Grey bytes (H, W) of each frame: its transparency where that says anything, or else how
    bright it is, without what lossy codecs leave near 0 and 255."""
    for frame in clip.frames():
        if frame.alpha is not None and frame.alpha.min() != frame.alpha.max():
            yield np.rint(frame.alpha * 255).astype(np.uint8)
            continue
        bright = frame.pixels.max(axis=2)
        cleaned = np.where(bright <= LOST, 0, np.where(bright >= 255 - LOST, 255, bright))
        yield cleaned.astype(np.uint8)
