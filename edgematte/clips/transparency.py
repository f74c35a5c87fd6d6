"""Reading the transparency of a clip."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.clips.container import pyav

SECOND_PICTURE = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Codecs of WebM with alpha in a second picture -> the decoder for it; FFmpeg's own ignore it."""


def alpha_decoder(stream: Any) -> tuple[Any, bool]:
    """The decoder that keeps a stream's alpha (None: its own does), and whether alpha is lost.

    It is lost where FFmpeg was built without that decoder.
    """
    marks = {k.lower(): v for k, v in stream.metadata.items()}
    name = SECOND_PICTURE.get(stream.codec_context.name)
    if name is None or marks.get("alpha_mode") != "1":
        return None, False
    av = pyav()
    if name not in av.codecs_available:
        return None, True
    decoder = av.CodecContext.create(name, "r")
    if stream.codec_context.extradata:
        decoder.extradata = stream.codec_context.extradata
    return decoder, False


def has_alpha(frame: Any) -> bool:
    """Whether a decoded frame's pixels have transparency."""
    return any(component.is_alpha for component in frame.format.components)


def split(deep: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], NDArray[np.float32] | None]:
    """RGB (H, W, 3) or RGBA (H, W, 4) of 16 bits -> RGB, and alpha in [0, 1], None if opaque."""
    if deep.shape[2] == 3:
        return deep, None
    return deep[..., :3], deep[..., 3].astype(np.float32) / np.float32(65535)
