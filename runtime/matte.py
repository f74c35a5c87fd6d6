"""The result for one picture."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Matte:
    """The result for one picture."""

    alpha: NDArray[np.float32]  # (H, W) in [0, 1]
    trimap: NDArray[np.uint8]  # (H, W): 0 background, 128 unknown, 255 foreground
    timings: dict[str, float]  # seconds by stage: host.reduce, graph.segment, ...
    odd_trimap_pixels: int = 0  # how many bytes of a given trimap were not 0, 127..129 or 255
    counts: dict[str, int] = field(default_factory=dict)  # such as regions found, refined
