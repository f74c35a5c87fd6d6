"""Writing pictures, whole or not at all, in formats that can hold them exactly."""

import io
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from edgematte.atomic import atomic_file
from edgematte.errors import OptionError
from edgematte.pictures.formats import Format, mode_of, refuse_unfit, row_named, row_of
from edgematte.pictures.profiles import convert_colours


def encode(array: NDArray[Any], kind: str, profile: bytes | None = None) -> bytes:
    """A picture array as the bytes of a file; ``kind`` is Pillow's format name, such as PNG.

    Args:
        array: uint8 (H, W), (H, W, 3) or (H, W, 4), or uint16 (H, W).
        kind: the format.
        profile: ICC profile of the colours; None: sRGB. A format that cannot carry one gets the
            colours converted to sRGB.

    Raises:
        OptionError: the format cannot hold this picture.
    """
    return _encode(array, row_named(kind), profile)


def _encode(array: NDArray[Any], row: Format, profile: bytes | None) -> bytes:
    mode = mode_of(array)
    refuse_unfit(row, mode, (array.shape[1], array.shape[0]))
    options = dict(row.options.get(mode, {}))
    if profile is not None and array.ndim == 3:
        if row.profile:
            options["icc_profile"] = profile
        else:
            array = array.copy()
            array[..., :3] = convert_colours(array[..., :3], profile, None)
    stream = io.BytesIO()
    try:
        Image.fromarray(array).save(stream, row.name, **options)
    except (OSError, KeyError, ValueError) as error:
        raise OptionError(f"{row.name} cannot hold this picture ({error}); write .png") from None
    return stream.getvalue()


def write_picture(array: NDArray[Any], path: Path, profile: bytes | None = None) -> None:
    """Write a picture whole or not at all; the ending of the name is its format.

    Arguments and errors as :func:`encode`.
    """
    data = _encode(array, row_of(path), profile)
    with atomic_file(path) as scratch:
        scratch.write_bytes(data)
