"""What part of a picture its results show: the subject's box, with a margin, in a given size."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError, PictureError
from edgematte.ranges import OPTIONS, SIDE, check

SHOWN = 0.02
"""Alpha from which a pixel is of the subject's box: 5 of 255. Below it nothing is seen over any
background, while nets leave 1 or 2 of 255 far from the subject."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are outside."""


@dataclass(frozen=True)
class Margin:
    """Pixels around a box, or a share of its longer side."""

    amount: float
    share: bool = False

    def pixels(self, longer: int) -> int:
        """The margin of a box with this longer side."""
        return round(longer * self.amount) if self.share else int(self.amount)


@dataclass(frozen=True)
class Framing:
    """What is shown.

    Args:
        crop: the box of all pixels whose alpha is ``SHOWN`` or more, and not the whole picture.
        margin: around that box; it ends at the picture's border.
        size: (width, height) of the results: what is shown is scaled to fit, keeps its proportions
            and lies in the middle of nothing (alpha 0, background).
    """

    crop: bool = False
    margin: Margin = Margin(0)
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check the size.

        Raises:
            OptionError: a side is no number of pixels.
        """
        for side in self.size or ():
            check("size", side, OPTIONS["size"])

    def box(self, alpha: Floats) -> Box:
        """What is shown of a picture with this alpha (H, W).

        Raises:
            PictureError: there is nothing to crop to.
        """
        height, width = alpha.shape
        return subject_box(alpha, self.margin) if self.crop else (0, 0, width, height)


@dataclass(frozen=True)
class Framed:
    """A picture and its matte after framing; ``box`` is what is shown of the picture."""

    colours: NDArray[Any]  # (H, W, 3), of the type that was given
    alpha: Floats  # (H, W)
    trimap: Bytes  # (H, W)
    box: Box


def parse_margin(text: str) -> Margin:
    """``24`` or ``24px`` -> pixels; ``5%`` -> a share.

    Raises:
        OptionError: anything else.
    """
    number = text.removesuffix("%") if text.endswith("%") else text.removesuffix("px")
    try:
        amount = float(number)
    except ValueError:
        amount = -1
    whole = text.endswith("%") or number.isdecimal()
    if not (0 <= amount <= (SIDE.most or 0) and whole):
        raise OptionError(f"margin {text!r} should be pixels or a share, such as 24 or 5%")
    return Margin(amount / 100, share=True) if text.endswith("%") else Margin(amount)


def framed(
    framing: Framing,
    colours: NDArray[Any],
    alpha: Floats,
    trimap: Bytes,
    *,
    keep_colour: bool = False,
) -> Framed:
    """Crop and scale a picture's colours (H, W, 3), alpha (H, W) in [0, 1] and trimap (H, W).

    What is only cropped keeps its values to the bit. Colours are scaled with alpha as their weight,
    so that no colour of the background comes into soft edges; with ``keep_colour`` without.

    Raises:
        PictureError: there is nothing to crop to.
    """
    box = framing.box(alpha)
    place = slice(box[1], box[3]), slice(box[0], box[2])
    colours, alpha, trimap = colours[place], alpha[place], trimap[place]
    if framing.size and framing.size != (alpha.shape[1], alpha.shape[0]):
        colours, alpha, trimap = _fit(framing.size, colours, alpha, trimap, keep_colour)
    return Framed(colours, alpha, trimap, box)


def subject_box(alpha: Floats, margin: Margin = Margin(0)) -> Box:
    """The box of all pixels of alpha (H, W) that are ``SHOWN``, with a margin.

    Raises:
        PictureError: there is none.
    """
    shown = alpha >= SHOWN
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    if not len(rows):
        raise PictureError("no subject was found to crop to, alpha is 0 everywhere: leave crop out")
    left, top = int(columns[0]), int(rows[0])
    right, bottom = int(columns[-1]) + 1, int(rows[-1]) + 1
    around = margin.pixels(max(right - left, bottom - top))
    height, width = alpha.shape
    return (
        max(left - around, 0),
        max(top - around, 0),
        min(right + around, width),
        min(bottom + around, height),
    )


def _fit(
    size: tuple[int, int], colours: NDArray[Any], alpha: Floats, trimap: Bytes, keep_colour: bool
) -> tuple[NDArray[Any], Floats, Bytes]:
    """All three, scaled to fit into a size and laid in its middle."""
    height, width = alpha.shape
    scale = min(size[0] / width, size[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    weight = np.ones_like(alpha) if keep_colour else alpha
    total = np.maximum(_scaled(weight, inner), 1e-6)  # of nothing nothing is shown
    planes = [_scaled(colours[..., i].astype(np.float32) * weight, inner) / total for i in range(3)]
    scaled = np.stack(planes, -1)
    if np.issubdtype(colours.dtype, np.integer):
        scaled = np.clip(np.rint(scaled), 0, np.iinfo(colours.dtype).max)
    nearest = Image.fromarray(trimap).resize(inner, Image.Resampling.NEAREST)
    return (
        _laid(scaled.astype(colours.dtype), size),
        _laid(np.clip(_scaled(alpha, inner), 0, 1), size),
        _laid(np.asarray(nearest), size),
    )


def _scaled(plane: Floats, size: tuple[int, int]) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _laid(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """An array (h, w, ...) in the middle of zeros (H, W, ...)."""
    height, width = array.shape[:2]
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    laid = np.zeros((size[1], size[0], *array.shape[2:]), array.dtype)
    laid[top : top + height, left : left + width] = array
    return laid
