"""HEIF files (HEIC of phones), which Pillow reads and writes by pillow-heif."""

import io
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import PictureError
from edgematte.extras import importing

PIP = 'pip install "edgematte[heif]"'
ENDINGS = (".heic", ".heif")
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_ONCE = threading.Lock()


def is_heif(data: bytes) -> bool:
    """Whether a file begins as HEIF does, and is not AVIF, which Pillow itself reads."""
    return data[4:8] == b"ftyp" and data[8:12] in BRANDS and b"avif" not in data[8:64]


def register(name: str) -> None:
    """Teach Pillow the format; ``name`` is that of the picture in messages.

    Raises:
        PictureError: pillow-heif is missing.
    """
    with _ONCE:
        with importing(f"{name} is HEIF, which pillow-heif reads and writes", PIP, PictureError):
            import pillow_heif
        pillow_heif.register_heif_opener(thumbnails=False)


def read_deep(data: bytes) -> NDArray[np.uint16]:
    """Colours (H, W, 3), or with alpha (H, W, 4), of a file of 10 or 12 bits, as 16, upright."""
    import pillow_heif

    found: Any = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    array = np.asarray(found)
    if array.dtype != np.uint16 or array.ndim != 3:
        raise ValueError(f"it was decoded as {array.dtype} {list(array.shape)}")
    return array
