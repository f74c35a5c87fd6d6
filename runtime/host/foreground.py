"""Foreground colours without the background's tint: the multi-level estimate.

Where alpha is between 0 and 1 the picture's colour I is a mixture of foreground F and background B,
and a cut-out that keeps it shows a halo on any other background. "Fast Multi-Level Foreground
Estimation" (Germer, Uelwer, Conrad and Harmeling, ICPR 2020) minimises, over F and B,

    (I - alpha F - (1 - alpha) B)^2 + sum over neighbours j of w_j ((F - F_j)^2 + (B - B_j)^2)

with w_j = EPSILON + |alpha - alpha_j|, on one pixel of the picture, on every 2^n-th of its rows and
columns, and so on to all of them: a level begins with the colours of the one before it and takes a
few steps. Pixels are taken, not averaged: in an average alpha is nowhere 0 or 1, and tells the two
colours apart nowhere. A step solves every pixel's two unknowns with its neighbours as they are, all
pixels at once, so that a block of a picture needs no more than the pixels around it. With the
neighbours' means f and b and r = (I - alpha f - (1 - alpha) b) / (alpha^2 + (1 - alpha)^2 + sum of
w), F = f + alpha r and B = b + (1 - alpha) r.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats

EPSILON = np.float32(1e-5)  # the authors'
SMALL_PX, SMALL_STEPS = 32, 10  # steps of levels whose sides are all up to this: the authors'
STEPS = 6
"""*Measured*: of the other levels, in docs/pictures.md. The authors take two, in which a pixel sees
the pixels before it as they have just become."""
OPAQUE = np.float32(1 - 1 / 512)  # from here on alpha is 1 in 8 bits: the picture's own colours
BRIGHTEST = 65_504.0  # infinity's light in floats: the largest half
BLOCK = 64, 128  # rows and columns that are worked on at a time: they fit a processor's cache


class Box(NamedTuple):
    """Rows and columns of a picture."""

    top: int
    bottom: int
    left: int
    right: int

    def grown(self, by: int, size: tuple[int, int]) -> "Box":
        """The box and ``by`` pixels around it, inside a picture of a size (H, W)."""
        rows = max(self.top - by, 0), min(self.bottom + by, size[0])
        return Box(*rows, max(self.left - by, 0), min(self.right + by, size[1]))

    def within(self, outer: "Box") -> tuple[slice, slice]:
        """This box as a part of another one that it lies in."""
        rows = slice(self.top - outer.top, self.bottom - outer.top)
        return rows, slice(self.left - outer.left, self.right - outer.left)

    @property
    def slices(self) -> tuple[slice, slice]:
        """As NumPy indexes it."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def estimate_foreground(picture: NDArray[Any], alpha: Floats) -> NDArray[Any]:
    """Picture (H, W, 3) and alpha (H, W) in [0, 1] -> foreground colours (H, W, 3).

    Bytes, 16 bits or floats, as the picture has. Where alpha is 1 they are the picture's own
    colours; where it is 0, those of nearby foreground. Memory is about 8 bytes a pixel more than
    the result takes.
    """
    top = max(0, max(alpha.shape) - 1).bit_length()
    every = 1 << top
    only = _planes(picture[::every, ::every], alpha[::every, ::every], Box(0, 1, 0, 1))
    colours = np.concatenate([only[:3], only[:3]])
    for level in range(top - 1, 0, -1):
        every = 1 << level
        colours = _level(picture[::every, ::every], alpha[::every, ::every], colours)
    return _finest(picture, alpha, colours)


def _finest(picture: NDArray[Any], alpha: Floats, coarse: Floats) -> NDArray[Any]:
    """The foreground colours of the whole picture, from those of the level before it."""
    size = alpha.shape[0], alpha.shape[1]
    steps, out = _steps_of(size), picture.copy()
    whole = picture.dtype.kind == "u"
    for box in _blocks(size):
        seen = alpha[box.slices]
        if (clear := seen < OPAQUE).any():
            soft = bool((clear & (seen > 0)).any())
            outer = box.grown(steps, size) if soft else box
            found = _doubled(coarse[:3] if not soft else coarse, outer)
            if soft:
                planes = _planes(picture, alpha, outer)
                found = _stepped(planes, found, steps, bounded=whole)
            front = found[(slice(0, 3), *box.within(outer))].transpose(1, 2, 0)
            if whole:
                front = front * np.float32(np.iinfo(picture.dtype).max) + np.float32(0.5)
            np.copyto(out[box.slices], front, where=clear[..., None], casting="unsafe")
    return out


def _level(picture: NDArray[Any], alpha: Floats, coarse: Floats) -> Floats:
    """Foreground and background (6, h, w) of one level, from those of the one before it."""
    size = alpha.shape[0], alpha.shape[1]
    steps, out = _steps_of(size), np.empty((6, *size), np.float32)
    for box in _blocks(size):
        outer = box.grown(steps, size)
        planes = _planes(picture, alpha, outer)
        found = _stepped(planes, _doubled(coarse, outer), steps, bounded=picture.dtype.kind == "u")
        out[(slice(None), *box.slices)] = found[(slice(None), *box.within(outer))]
    return out


def _steps_of(size: tuple[int, int]) -> int:
    return SMALL_STEPS if max(size) <= SMALL_PX else STEPS


def _stepped(planes: Floats, colours: Floats, steps: int, *, bounded: bool) -> Floats:
    """Steps on a part of a level; near its sides they are right only where the picture ends.

    Args:
        planes: red, green, blue and alpha (4, h, w).
        colours: foreground and background (6, h, w) to begin with.
        steps: how many.
        bounded: colours are at most 1.
    """
    height, width = planes.shape[1:]
    if height * width == 1:
        return colours  # no neighbours
    left, right, above, below, total = _weights(planes[3])
    # Rows lie one after the other: neighbours are a shift away, and weights 0 where there is none.
    image, alpha = planes[:3].reshape(3, -1), planes[3].reshape(-1)
    rest = 1 - alpha
    share = 1 / (alpha * alpha + rest * rest + total)
    front_share, back_share = alpha * share, rest * share
    then, part = np.empty((2, 6, alpha.size), np.float32)
    now = colours.reshape(6, -1)
    residual, other = np.empty((2, 3, alpha.size), np.float32)
    for _ in range(steps):
        np.multiply(now[:, :-1], left[1:], out=then[:, 1:])
        then[:, 0] = 0
        np.multiply(now[:, 1:], right[:-1], out=part[:, :-1])
        then[:, :-1] += part[:, :-1]
        if height > 1:
            np.multiply(now[:, :-width], above[width:], out=part[:, width:])
            then[:, width:] += part[:, width:]
            np.multiply(now[:, width:], below[:-width], out=part[:, :-width])
            then[:, :-width] += part[:, :-width]
        front, back = then[:3], then[3:]
        np.multiply(alpha, front, out=residual)
        np.subtract(image, residual, out=residual)
        np.multiply(rest, back, out=other)
        residual -= other
        np.multiply(front_share, residual, out=other)
        front += other
        residual *= back_share
        back += residual
        np.maximum(then, 0, out=then)
        if bounded:
            np.minimum(then, 1, out=then)
        now, then = then, now
    return now.reshape(6, height, width)


def _weights(alpha: Floats) -> tuple[Floats, ...]:
    """Shares of the neighbours left, right, above and below, and the sum of weights, each (n,)."""
    sides = np.zeros((4, *alpha.shape), np.float32)
    left, right, above, below = sides
    across = np.abs(alpha[:, 1:] - alpha[:, :-1]) + EPSILON
    down = np.abs(alpha[1:] - alpha[:-1]) + EPSILON
    left[:, 1:] = right[:, :-1] = across
    above[1:] = below[:-1] = down
    total = sides.sum(axis=0)
    sides /= total
    return *sides.reshape(4, -1), total.reshape(-1)


def _doubled(coarse: Floats, box: Box) -> Floats:
    """A part of a level, every pixel that of the level before it (c, h, w)."""
    rows, columns = np.arange(box.top, box.bottom) // 2, np.arange(box.left, box.right) // 2
    part = coarse[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(part[:, rows - rows[0]][:, :, columns - columns[0]])


def _planes(picture: NDArray[Any], alpha: Floats, box: Box) -> Floats:
    """Red, green, blue and alpha (4, h, w) of a part; integers become [0, 1]."""
    planes = np.empty((4, box.bottom - box.top, box.right - box.left), np.float32)
    planes[:3] = picture[box.slices].transpose(2, 0, 1)
    if picture.dtype.kind == "u":
        planes[:3] /= np.float32(np.iinfo(picture.dtype).max)
    else:
        np.nan_to_num(planes[:3], copy=False, nan=0, posinf=BRIGHTEST, neginf=0)
    planes[3] = alpha[box.slices]
    return planes


def _blocks(size: tuple[int, int]) -> Iterator[Box]:
    for top in range(0, size[0], BLOCK[0]):
        for left in range(0, size[1], BLOCK[1]):
            yield Box(top, min(top + BLOCK[0], size[0]), left, min(left + BLOCK[1], size[1]))
