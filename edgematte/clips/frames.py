"""Decoded frames as arrays: the 8-bit view of the nets, transparency, and what a copy keeps."""

from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.clips.colour import Colour, matrix_of, view_of
from edgematte.clips.container import pyav, reason
from edgematte.clips.geometry import display_matrix, square, upright
from edgematte.clips.levels import KEPT, Levels, bits_of, has_levels, levels_of
from edgematte.clips.transparency import has_alpha, split
from edgematte.errors import PictureError
from edgematte.pictures.reading import refuse_large


class Keep(Enum):
    """What of a frame is read beside the 8-bit view that nets have.

    ``RGB``: of clips with more than 8 bits, or of HDR, RGB as it is stored, in 16 bits; ``LEVELS``:
    luma and chroma as they are stored, of clips that store RGB as before.
    """

    VIEW = "view"
    RGB = "rgb"
    LEVELS = "levels"


ROUNDED = 1 << 18 | 1 << 13  # flags of FFmpeg's scaler: accurate rounding, chroma interpolated
BILINEAR, BICUBIC = 2 | ROUNDED, 4 | ROUNDED
"""How RGB is computed. *Measured*: without these flags its mean is a level too low."""
Kept = NDArray[np.uint16] | Levels | None
"""RGB (H, W, 3), levels, or nothing."""


class Frames:
    """Makes arrays of a clip's frames: upright, with square pixels, all as large as the first."""

    def __init__(self, name: str, shape: Fraction | None, colour: Colour, keep: Keep) -> None:
        """``name``: of the clip; ``shape``: width of a pixel by its height, None: square."""
        self._av, self._name, self._shape = pyav(), name, shape
        self._coding, self._keep = colour.coding, keep
        self._size: tuple[int, int] | None = None
        self._matrix: int | None = None  # of the levels of the first frame; 0: it had none

    def read(self, frame: Any) -> tuple[Bytes, Floats | None, Kept]:
        """The view (H, W, 3), alpha (H, W) where a frame has transparency, and what is kept.

        Raises:
            PictureError: too large, or of a kind that FFmpeg does not convert.
        """
        refuse_large(self._name, frame.width, frame.height)
        self._size = self._size or square((frame.width, frame.height), self._shape)
        try:
            return self._arrays(frame, self._size, display_matrix(frame))
        except self._av.error.FFmpegError as error:
            raise PictureError(
                f"{self._name}: frames of the kind {frame.format.name} cannot be read "
                f"({reason(error)})"
            ) from None

    def _arrays(
        self, frame: Any, size: tuple[int, int], turns: tuple[int, int, int, int] | None
    ) -> tuple[Bytes, Floats | None, Kept]:
        coding, clear, matrix = self._coding, has_alpha(frame), matrix_of(frame)
        copied = self._keep is Keep.LEVELS and self._as_first(frame, matrix)
        stored = self._keep is not Keep.VIEW and not copied
        stored = stored and (bits_of(frame.format) > 8 or coding is not None)
        deep = stored or coding is not None  # RGB of 16 bits is needed
        rgb: NDArray[np.uint16] | None = None
        levels: Levels | None = None
        alpha: Floats | None = None
        if has_levels(frame, matrix):
            if deep or clear or copied:
                levels = levels_of(frame, size, matrix, lambda array: upright(array, turns))
                rgb, alpha = levels.rgb() if deep else None, levels.alpha
        elif deep or clear:
            rgb, alpha = split(upright(_deep_rgb(frame, size, matrix, clear=clear), turns))
        if coding is not None and rgb is not None:
            pixels = view_of(rgb, coding)
        else:
            pixels = upright(_rgb(frame, size, "rgb24", matrix), turns)
        return pixels, alpha, levels if copied else rgb if stored else None

    def _as_first(self, frame: Any, matrix: int) -> bool:
        """Whether a frame has levels, and the first one had those of the same matrix."""
        kept = KEPT[matrix] if has_levels(frame, matrix) else 0
        self._matrix = kept if self._matrix is None else self._matrix
        return kept > 0 and kept == self._matrix


def _deep_rgb(frame: Any, size: tuple[int, int], matrix: int, *, clear: bool) -> NDArray[np.uint16]:
    """RGB (H, W, 3), or with transparency (H, W, 4), in 16 bits."""
    if bits_of(frame.format) > 8:
        return _rgb(frame, size, "rgba64le" if clear else "rgb48le", matrix)
    # FFmpeg would make 254 of 255 65018 of 65535.
    return _rgb(frame, size, "rgba" if clear else "rgb24", matrix).astype(np.uint16) * np.uint16(
        257
    )


def _rgb(frame: Any, size: tuple[int, int], kind: str, matrix: int) -> NDArray[Any]:
    """RGB (H, W, 3) or RGBA (H, W, 4) of a pixel format, as large as ``size`` (width, height)."""
    array: NDArray[Any] = frame.reformat(
        width=size[0],
        height=size[1],
        format=kind,
        src_colorspace=matrix,
        interpolation=BILINEAR if size == (frame.width, frame.height) else BICUBIC,
    ).to_ndarray()
    return array
