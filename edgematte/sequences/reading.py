"""Reading image sequences: the frames of a shot, each a picture, at the times of their numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.clips.colour import Colour
from edgematte.clips.reading import ClipFrame
from edgematte.errors import PictureError
from edgematte.pictures.depths import in_bytes
from edgematte.pictures.profiles import is_srgb
from edgematte.pictures.reading import Picture, open_picture
from edgematte.sequences.pattern import Pattern, in_words, missing

RATE = Fraction(25)
"""Frames a second of a clip that is written from a sequence, unless another is given."""


@dataclass(frozen=True)
class SequenceFrame(ClipFrame):
    """A frame that is a picture, which has more than a clip's frame."""

    picture: Picture = Picture(np.zeros((1, 1, 3), np.uint8))
    number: int = 0  # in the name of its file


class Sequence:
    """The numbered pictures of a shot, with what :class:`edgematte.clips.reading.Clip` has.

    Frames are those files that are there; the first number is at time 0, and a number that is
    missing is a time without a frame.
    """

    def __init__(self, pattern: Pattern, rate: Fraction | None = None) -> None:
        """List the files.

        Raises:
            PictureError: there is none.
        """
        self.pattern, self.rate = pattern, rate or RATE
        self.path = Path(str(pattern))
        self.numbers = pattern.numbers()
        self.promised = len(self.numbers)
        self.colour = Colour()
        self.note = ""  # the error that ended reading; empty if there was none
        self._odd: dict[str, int] = {}  # what was odd in files, and in how many

    def __enter__(self) -> "Sequence":
        """The sequence itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open."""

    def _gaps(self) -> Iterator[str]:
        first, last = self.numbers[0], self.numbers[-1]
        gaps = missing(self.numbers, last)
        if gaps:
            count = last - first + 1 - len(self.numbers)
            yield (
                f"{self.pattern}: {count} of the numbers {first} to {last} have no file "
                f"({in_words(gaps)}), and no frame in the result"
            )

    def frames(self) -> Iterator[SequenceFrame]:
        """The frames in the order of their numbers; where one cannot be read, those before.

        Raises:
            PictureError: the first one cannot be read.
        """
        for count, number in enumerate(self.numbers):
            file = self.pattern.file(number)
            try:
                picture = open_picture(file)
            except PictureError as error:
                if not count:
                    raise
                self.note = f"{self.pattern} breaks off after {count} frames ({error})"
                return
            for note in picture.notes:
                odd = note.replace(file.name, self.path.name)
                self._odd[odd] = self._odd.get(odd, 0) + 1
            at = number - self.numbers[0]
            alpha = as_floats(picture)
            yield SequenceFrame(
                picture.seen,
                at,
                1,
                1 / self.rate,
                alpha,
                deep_of(picture),
                picture=picture,
                number=number,
            )

    @property
    def files(self) -> list[Path]:
        """The files that are read."""
        return [self.pattern.file(number) for number in self.numbers]

    @property
    def warnings(self) -> list[str]:
        """A line for numbers that are missing, and for each odd thing in the files."""
        return [*self._gaps(), *counted(self._odd)]


def counted(odd: dict[str, int]) -> Iterator[str]:
    """What was odd in files, each once, and in how many of them."""
    for line, count in odd.items():
        yield line if count == 1 else f"{line} (in {count} of these files)"


def deep_of(picture: Picture) -> NDArray[np.uint16] | None:
    """The colours (H, W, 3) of a picture of 16 bits in sRGB, as a clip takes them; else None."""
    deep, plain = picture.deep, picture.profile is None or is_srgb(picture.profile)
    if deep is None or deep.dtype != np.uint16 or picture.coding is not None or not plain:
        return None
    return deep


def picture_of(frame: ClipFrame) -> Picture:
    """A frame as a picture, with its transparency and depth."""
    if isinstance(frame, SequenceFrame):
        return frame.picture
    alpha: Any = frame.alpha  # floats, as of a deep picture
    if not isinstance(frame.kept, np.ndarray):
        return Picture(frame.pixels, alpha)
    pixels = frame.pixels if frame.coding is None else in_bytes(frame.kept)
    return Picture(pixels, alpha, deep=frame.kept, coding=frame.coding)


def as_floats(picture: Picture) -> Floats | None:
    """A picture's own alpha (H, W) in [0, 1]; None where it is opaque."""
    own = picture.alpha
    if own is None:
        return None
    top = np.iinfo(own.dtype).max if own.dtype.kind == "u" else 1
    return own.astype(np.float32) / np.float32(top)
