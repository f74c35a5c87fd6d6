"""A frame as a picture."""

from typing import TYPE_CHECKING, Any

import numpy as np

from edgematte.errors import PictureError
from edgematte.runtime.given_picture import take_picture

if TYPE_CHECKING:
    from edgematte.pictures.reading import Picture


def take_frame(number: int, frame: Any, channel_order: str = "RGB") -> "Picture":
    """A frame as a picture; ``number`` counts from 0.

    Raises:
        PictureError: saying which frame it is and what came instead.
    """
    if isinstance(frame, np.ndarray) and frame.dtype.kind == "f" and not np.isfinite(frame).all():
        raise PictureError(
            f"frame {number} holds values that are not finite; frames should be uint8 (H, W, 3) RGB"
        )
    try:
        return take_picture(frame, channel_order)
    except PictureError as error:
        raise PictureError(f"frame {number}: {error}") from None
