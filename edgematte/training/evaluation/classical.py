"""Mattes without a network, to compare with: two methods of pymatting, and one half."""

import importlib
import os
import sys
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.errors import EngineError
from edgematte.extras import importing

Alpha = NDArray[np.float32]

METHODS = {"closed_form": "estimate_alpha_cf", "knn": "estimate_alpha_knn"}


def half_matte(trimap: NDArray[np.uint8]) -> Alpha:
    """0.5 in the unknown region of a trimap (H, W), 0 and 1 outside."""
    known = np.where(trimap == 255, np.float32(1), np.float32(0))
    return np.where((trimap > 0) & (trimap < 255), np.float32(0.5), known)


def classical_matte(method: str, image: Image.Image, trimap: NDArray[np.uint8]) -> Alpha:
    """Alpha (H, W) of pymatting's method for a trimap (0, unknown between, 255) of the same size.

    `method` is closed_form (Levin et al. 2008) or knn (Chen et al. 2013), with pymatting's
    defaults. It takes a minute or more for a megapixel, and longer at first, when it compiles.

    Raises:
        EngineError: pymatting is not installed.
    """
    # Otherwise Numba's OpenMP threads and PyTorch's would slow each other down from here on.
    os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
    sentence = "comparing with classical matting needs pymatting"
    with importing(sentence, "pip install pymatting", EngineError):
        pymatting: Any = importlib.import_module("pymatting")
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64) / 255
    hints = half_matte(trimap).astype(np.float64)
    with redirect_stdout(sys.stderr):  # where its warnings belong
        alpha = getattr(pymatting, METHODS[method])(pixels, hints)
    return np.asarray(np.clip(alpha, 0, 1), np.float32)
