"""HEIF files (HEIC of phones), which Pillow reads and writes by pillow-heif."""

import io
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import PictureError
from edgematte.extras import importing
from edgematte.pictures.bits import has_bits, rounded, stretched

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
    bits = int(found.info["bit_depth"])
    return stretched(array >> (16 - bits), bits)  # pillow-heif fills the low bits with 0


def write_deep(array: NDArray[np.uint16], options: dict[str, Any]) -> bytes:
    """The bytes of a file of colours (H, W, 3) or a cut-out (H, W, 4), uint16.

    In 10 bits a channel where all colours are values of 10 bits, as those of phones are, and else
    in 12; alpha is rounded to as many. ``options`` are those of pillow-heif's writer, with EXIF and
    profile.
    """
    import pillow_heif

    bits = 10 if has_bits(array[..., :3], 10) else 12
    height, width, channels = array.shape
    data = rounded(array, bits) << (16 - bits)
    stream = io.BytesIO()
    with _ONCE:  # an option of the whole module
        kept = pillow_heif.options.SAVE_HDR_TO_12_BIT
        pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
        try:
            file = pillow_heif.from_bytes(
                mode="RGB;16" if channels == 3 else "RGBA;16",
                size=(width, height),
                data=np.ascontiguousarray(data, "<u2").tobytes(),
            )
            file.info["icc_profile"] = options.get("icc_profile")
            file.save(stream, **options)
        finally:
            pillow_heif.options.SAVE_HDR_TO_12_BIT = kept
    return stream.getvalue()
