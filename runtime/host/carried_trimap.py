"""The trimap of a frame, made from the alpha of the frame before it.

What this frame shows is looked for in the one before, block by block, and its alpha is moved along:
once as the blocks moved, once all of it as most of the subject did, for blocks at its edges show
more than one motion. Unknown is what lies around the edges of either, and where they differ. There
is no net in it: what comes into the picture anew is background, and after a cut there is nothing to
go on from. docs/sequences.md has figures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.mask import band_around
from edgematte.runtime.host.resize import resize_planes
from edgematte.runtime.host.trimap import BACKGROUND, UNKNOWN

SIDE = 160  # frames are compared with their longer side reduced to this
BLOCK = 8  # side of a block, in pixels of the reduced frame
REACH = 12  # how far a block may have moved along each axis, in these pixels: 7.5 % of the side
STEADY = 0.1  # levels that a match has to be better for each pixel it lies farther away
BAND_SHARE = 0.02
"""Of the longer side, around the edges of the moved alpha. *Measured*: in ``benchmarks/carried.py``
all soft pixels of what moves by up to 7 % of the width in a frame are unknown then."""
CUT = 0.3
"""*Measured*: what moves within reach is unlike by up to 0.24, other scenes by 0.36 and more."""


@dataclass(frozen=True)
class Motion:
    """Where blocks of a frame come from.

    `moves`: (rows, columns, 2), down and across, in pixels of the reduced frame. `unlike`: how
    far the frame is from the blocks it was matched with, beside those at any place within reach: 0,
    all of it is there, to 1, nothing is.
    """

    moves: NDArray[np.int64]
    unlike: float


class CarriedTrimap:
    """Gives the frames of one clip their trimaps, in their order."""

    def __init__(self) -> None:
        """Nothing to carry on yet."""
        self._alpha: Floats | None = None
        self._seen: Floats | None = None

    def keep(self, picture: Bytes, alpha: Floats) -> None:
        """Go on from a frame (H, W, 3), by its alpha (H, W)."""
        self._alpha, self._seen = alpha.copy(), reduced(picture)

    def trimap(self, picture: Bytes) -> tuple[Bytes | None, str]:
        """The trimap (H, W) of the frame after the one that was kept; or None, and why."""
        assert self._alpha is not None and self._seen is not None
        height, width = picture.shape[:2]
        if self._alpha.shape != (height, width):
            before = "x".join(map(str, self._alpha.shape[::-1]))
            return None, f"is {width}x{height}, and the frame before it {before}"
        motion = find_motion(self._seen, reduced(picture))
        if motion.unlike >= CUT:
            return None, (
                f"shows another scene than the frame before it (unlike by {motion.unlike:.2f}, and "
                f"{CUT} is a cut)"
            )
        return carried(self._alpha, motion, self._seen.shape), ""


def carried(alpha: Floats, motion: Motion, small: tuple[int, ...]) -> Bytes:
    """A trimap (H, W) from the alpha (H, W) of the frame before, by the motion in between.

    ``small`` is (h, w) of the reduced frames.
    """
    size = alpha.shape[1], alpha.shape[0]
    moved = moved_along(alpha, motion.moves, small)
    trimap = band_around(moved, size, band_px(size))
    whole = np.broadcast_to(subject_move(moved, motion.moves), motion.moves.shape)
    if (whole == motion.moves).all():
        return trimap
    other = band_around(moved_along(alpha, whole, small), size, band_px(size))
    trimap[trimap != other] = UNKNOWN
    return trimap


def band_px(size: tuple[int, int]) -> int:
    """How far around the moved alpha's edges is unknown, by (width, height)."""
    return max(1, round(BAND_SHARE * max(size)))


def reduced(picture: Bytes) -> Floats:
    """The brightness (h, w) of a picture, its longer side at most :data:`SIDE`."""
    height, width = picture.shape[:2]
    share = min(1, SIDE / max(width, height))
    small = max(1, round(width * share)), max(1, round(height * share))
    image = Image.fromarray(picture).convert("L").resize(small, Image.Resampling.BILINEAR)
    values: Floats = np.asarray(image, np.float32)
    for axis in (0, 1):
        wide = np.pad(values, [(int(a == axis),) * 2 for a in (0, 1)], mode="edge")
        before, after = (np.take(wide, range(n, n + values.shape[axis]), axis) for n in (0, 2))
        values = (before + np.float32(2) * values + after) / np.float32(4)
    return values


def find_motion(before: Floats, now: Floats) -> Motion:
    """Where each block of a reduced frame (h, w) was in the one before, of the same size."""
    rows, columns = (np.arange(0, side, BLOCK) for side in now.shape)
    area = np.outer(np.diff([*rows, now.shape[0]]), np.diff([*columns, now.shape[1]]))
    level = np.float32(now.mean())  # a fade is no motion
    padded = np.pad(before + (level - before.mean()), REACH, mode="edge")
    least = np.full(area.shape, np.inf)
    moves = np.zeros((*area.shape, 2), np.int64)
    found, anywhere = np.zeros(area.shape), np.zeros(area.shape)
    shifts = range(-REACH, REACH + 1)
    for down, across in sorted(
        ((y, x) for y in shifts for x in shifts), key=lambda s: np.hypot(*s)
    ):
        top, left = REACH - down, REACH - across
        apart = np.abs(now - padded[top : top + now.shape[0], left : left + now.shape[1]])
        cost = np.add.reduceat(np.add.reduceat(apart, rows, 0), columns, 1) / area
        anywhere += cost
        biased = cost + STEADY * np.hypot(down, across)
        better = biased < least
        least[better], found[better], moves[better] = biased[better], cost[better], (down, across)
    usual = float((anywhere * area).sum()) / (2 * REACH + 1) ** 2
    unlike = float((found * area).sum()) / max(usual, float(area.sum()))  # a level, at least
    return Motion(moves, unlike)


def subject_move(moved: Floats, moves: NDArray[np.int64]) -> NDArray[np.int64]:
    """How most blocks of a subject moved, down and across: their median, in reduced pixels.

    Args:
        moved: (H, W), its alpha in this frame, roughly.
        moves: of blocks, see :class:`Motion`.
    """
    rows, columns = moves.shape[:2]
    shares = np.asarray(Image.fromarray(moved).resize((columns, rows), Image.Resampling.BOX))
    if not shares.max() > 0:
        return np.zeros(2, np.int64)
    move: NDArray[np.int64] = np.median(moves[shares >= shares.max() / 2], 0).astype(np.int64)
    return move


def moved_along(alpha: Floats, moves: NDArray[np.int64], small: tuple[int, ...]) -> Floats:
    """Alpha (H, W) of the frame before at the places where this one shows the same.

    Args:
        alpha: of the frame before.
        moves: of blocks, see :class:`Motion`.
        small: (h, w) of the reduced frames.
    """
    if not moves.any():
        return alpha
    height, width = alpha.shape
    scale = np.array([height / small[0], width / small[1]], np.float32)
    planes = np.ascontiguousarray((moves * scale).transpose(2, 0, 1), np.float32)
    down, across = np.rint(resize_planes(planes, (width, height))).astype(np.intp)
    rows = np.clip(np.arange(height)[:, None] - down, 0, height - 1)
    columns = np.clip(np.arange(width)[None] - across, 0, width - 1)
    moved: Floats = alpha[rows, columns]
    return moved


def is_empty(trimap: Bytes) -> bool:
    """Whether nothing of the subject is left."""
    return not (trimap != BACKGROUND).any()
