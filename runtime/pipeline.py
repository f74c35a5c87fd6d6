"""What every model's host side offers: a pipeline over its graphs, and its steps by name."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgematte.runtime.clock import Clock

Step = Callable[..., dict[str, NDArray[Any]]]
"""A host step as a function of named arrays, for golden records and ports of the host."""


class Pipeline(Protocol):
    """Picture (H, W, 3) uint8 RGB, trimap (H, W) or None -> alpha (H, W), trimap (H, W)."""

    def __call__(
        self, picture: NDArray[np.uint8], trimap: NDArray[np.uint8] | None, clock: Clock
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Run host steps and graphs; stages are timed on ``clock``."""


def to_input(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Picture (h, w, 3) uint8 -> graph input (1, 3, h, w) float32 in [0, 1]."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None]) * np.float32(1 / 255)
