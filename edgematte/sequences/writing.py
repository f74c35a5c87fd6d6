"""Writing image sequences: a picture for each frame, as deep as its format and the frame are."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from edgematte.errors import OptionError
from edgematte.pictures.formats import refuse_unfit, row_of
from edgematte.pictures.results import ResultOptions, shallower
from edgematte.sequences.pattern import Pattern

if TYPE_CHECKING:
    from edgematte.runtime.matte import Matte

FIRST = 1
"""The number of a clip's first frame: FFmpeg's."""


class SequenceWriter:
    """Writes a file for each frame, whole and as soon as the frame is there.

    Numbers are those of the sequence that the frames come from; frames of a clip are counted from
    :data:`FIRST`. What was written before an error stays.
    """

    def __init__(
        self, pattern: Pattern, kind: str, results: ResultOptions, rate: Fraction | None = None
    ) -> None:
        """Check that the format can hold what will be written.

        Args:
            pattern: names of the files; its folder is made with the first one.
            kind: cutout, alpha or trimap.
            results: how the pictures look.
            rate: of a clip, frames a second; None: of a sequence, which has numbers.

        Raises:
            OptionError: the format of the files cannot hold it.
        """
        self.pattern, self._kind, self._results, self._rate = pattern, kind, results, rate
        self._row = row_of(pattern.file(0))
        results.refuse(kind, self._row)
        self.done = 0
        self._uneven, self._lost = 0, ""

    def write(self, matte: "Matte", seconds: Fraction, number: int | None = None) -> None:
        """Write a frame.

        Args:
            matte: with the frame's picture.
            seconds: when it is shown, since the start.
            number: of its file; None: it is counted.

        Raises:
            OptionError: the format cannot hold a picture of this size or colours.
        """
        picture = matte.picture
        assert picture is not None  # a stream's mattes have theirs
        if self._rate is not None and round(seconds * self._rate) != self.done:
            self._uneven += 1
        file = self.pattern.file(self.done + FIRST if number is None else number)
        size = self._results.framing.size or (picture.pixels.shape[1], picture.pixels.shape[0])
        refuse_unfit(self._row, self._results.mode(self._kind, self._row), size)
        file.parent.mkdir(parents=True, exist_ok=True)
        picture, matte = self._results.on_screen(picture, matte)
        array = self._results.write(self._kind, picture, matte, file)
        if self._kind == "cutout":
            self._lost = self._lost or shallower(
                "the source", str(self.pattern), picture.colours, array, self._row.bits
            )
        self.done += 1

    def close(self) -> None:
        """Nothing is left to do: every file is whole."""

    def discard(self) -> None:
        """What was written stays."""

    @property
    def warnings(self) -> list[str]:
        """What the files do not say, or have less of than the frames."""
        lines = [self._lost] if self._lost else []
        if self._uneven:
            lines.append(
                f"{self.pattern} numbers frames in their order, and {self._uneven} of them are not "
                "at the times that these numbers say at one rate; a folder (frames/) has a table "
                "of times"
            )
        return lines


def in_folder(folder: Path, source: Pattern, kind: str) -> Pattern:
    """The files of a sequence's results in a folder: of their names, light as EXR, else PNG."""
    before, ending = Path(f"x{source.after}").stem[1:], Path(f"x{source.after}").suffix
    light = ending.lower() == ".exr" and kind != "trimap"
    return replace(source, folder=folder, after=before + (ending if light else ".png"))


def refuse_replacing(pattern: Pattern, read: Iterable[Path]) -> None:
    """Refuse names under which files lie that are read.

    Raises:
        OptionError: a file that is read has a name that may be written.
    """
    folder = pattern.folder.resolve()
    for file in read:
        if pattern.number_of(file.name) is not None and file.parent.resolve() == folder:
            raise OptionError(f"{pattern} would replace {file}, which is read; choose another -o")
