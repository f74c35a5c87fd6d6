"""Laying a picture on frames of the graphs' size: one padded frame, or several that are blended."""

from collections.abc import Sequence

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.frame import Frame, frame_for
from edgematte.runtime.host.patches import Patch, blend_window, tile_grid, walk, window
from edgematte.runtime.host.trimap import UNKNOWN
from edgematte.runtime.nets.diffmatte.host import DiffusionHost, TilesHost
from edgematte.runtime.nets.diffmatte.planes import SHARPNESS, known_matte, unknown_tiles


def used_frame(picture: tuple[int, int], host: DiffusionHost) -> Frame:
    """At which size the graphs see a picture (width, height); ``host`` has one size of graphs.

    With ``context`` they see it at its own size, on several frames if it is larger than one.
    Without ``context`` a larger picture is reduced to one frame.
    """
    if host.context is None:
        return frame_for(picture, host.size)
    return Frame(picture, picture, host.size)


def frames(trimap: Bytes, host: DiffusionHost) -> list[Patch]:
    """Where the frames lie in a picture: one, or several that overlap by ``context`` pixels."""
    if host.context is None:
        return [Patch(0, 0, *host.size)]
    size = trimap.shape[1], trimap.shape[0]
    return list(walk(tile_grid(size, host.size, host.context)))


def runs(host: DiffusionHost, trimap: Bytes, place: Patch) -> bool:
    """Whether the graphs run on this frame of several; without ``keep_known`` they always do."""
    return host.keep_known is False or bool((window(trimap, place) == UNKNOWN).any())


def joined(
    places: Sequence[Patch], mattes: Sequence[Floats | None], trimap: Bytes, host: DiffusionHost
) -> Floats:
    """Blend the x_0 (h, w) of the frames by eq. 5 and 6; None for a frame without unknown pixels.

    The graphs did not run on such a frame: its x_0 follows from the trimap.

    Returns:
        x_0 (H, W) of the picture, in [-1, 1].
    """
    assert host.context is not None  # or there would be only one frame
    size = trimap.shape[1], trimap.shape[0]
    total, weight = np.zeros(trimap.shape, np.float32), np.zeros(trimap.shape, np.float32)
    for place, matte in zip(places, mattes, strict=True):
        shown = window(trimap, place)
        height, width = shown.shape
        taper = blend_window(place, size, host.context)[:height, :width] ** SHARPNESS
        if matte is None:
            matte = known_matte(shown)
        part = np.s_[place.top : place.top + height, place.left : place.left + width]
        total[part] += taper * matte[:height, :width]
        weight[part] += taper
    total /= weight
    return total


def patches_of(host: DiffusionHost, trimap: Bytes) -> list[Patch]:
    """The frames and tiles that alpha is stitched from; ``trimap`` (H, W) is the picture's.

    There are none where the picture is reduced: their borders are not between two of its pixels.
    """
    size = trimap.shape[1], trimap.shape[0]
    sized = host.for_picture(size)
    if used_frame(size, sized).used != size:
        return []
    places = frames(trimap, sized)
    parts = list(places) if len(places) > 1 else []
    if isinstance(sized, TilesHost):
        for place in places:
            tiles = unknown_tiles(window(trimap, place), sized)
            parts += [Patch(t.left + place.left, t.top + place.top, t.side) for t in tiles]
    return parts
