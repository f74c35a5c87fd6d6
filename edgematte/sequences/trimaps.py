"""Trimaps or masks of a shot's frames: numbered files, a folder, a clip, or one for the first."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from edgematte.arrays import Bytes
from edgematte.clips.container import is_clip
from edgematte.clips.reading import Clip
from edgematte.errors import FrameError, OptionError, PictureError
from edgematte.host import Size
from edgematte.pictures import read_mask_for, read_trimap_for
from edgematte.pictures.folders import sort_files
from edgematte.pictures.reading import Picture
from edgematte.pictures.sizes import size_of
from edgematte.runtime.host.mask import proportional, trimap_from_mask
from edgematte.runtime.host.trimap import read_trimap
from edgematte.sequences.pattern import in_words, last_number, missing, parse_pattern, spans_of
from edgematte.sequences.reading import Sequence, counted
from edgematte.sequences.values import clip_values

Make: TypeAlias = Callable[[NDArray[Any], str, Size], Bytes]
"""Makes the trimap of a frame of some (width, height) from values and the name of their file."""


class FrameTrimaps:
    """Gives each frame its trimap, matched by a rule that :meth:`match` states.

    Close it, or use it in a ``with`` statement.
    """

    def __init__(
        self,
        place: str,
        what: str = "trimap",
        *,
        sparse: bool = False,
        make: Make | None = None,
        fit: bool = False,
    ) -> None:
        """Find the files.

        Args:
            place: numbered files (``t_%05d.png``), a folder, a clip, or one picture, which is of
                the first frame alone.
            what: trimap or mask.
            sparse: frames may be without one.
            make: makes the trimap of a frame; by default as a Matter does.
            fit: masks may be of other proportions than their frames.

        Raises:
            OptionError, PictureError: nothing there.
        """
        self.what, self._sparse, self._fit, self._place = what, sparse, fit, place
        self._make: Make = make or (self._of_trimap if what == "trimap" else _of_mask)
        self._odd: dict[str, int] = {}  # what was odd in files, and in how many
        self._pattern, path = parse_pattern(place), Path(place)
        self._clip: Clip | None = None
        self._moving: Iterator[Bytes | NDArray[Any]] = iter(())
        self.first_alone = False
        self._files: dict[int, Path] = {}  # by index of the frame
        self._numbered: dict[int, Path] = {}
        self._listed: list[Path] = []
        if self._pattern is not None:
            self._numbered = {n: self._pattern.file(n) for n in self._pattern.numbers()}
        elif path.is_dir():
            self._listed = self._list(path)
        elif is_clip(path):
            self._clip = Clip(path)
            self._moving = clip_values(self._clip)
        else:
            self._files, self.first_alone = {0: path}, True

    def __enter__(self) -> "FrameTrimaps":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the clip, if it is one."""
        if self._clip is not None:
            self._clip.__exit__()

    @property
    def read(self) -> list[Path]:
        """The files that are read."""
        clip = [self._clip.path] if self._clip is not None else []
        return [*self._files.values(), *self._numbered.values(), *self._listed, *clip]

    def _list(self, folder: Path) -> list[Path]:
        found, _ = sort_files(folder.iterdir())
        if not found:
            raise PictureError(f"the folder {folder} holds no pictures, and so no {self.what}s")
        return sorted(found, key=lambda file: (last_number(file) or 0, file.name))

    def match(self, shot: Clip | Sequence) -> None:
        """Match frames and files, before any work.

        Of a sequence by number: a file for each of its numbers; others are not used. Of a clip by
        order: a folder has one for each frame; of numbered files the first is of the first frame,
        and the others of as many frames later as their numbers say. A clip's frames are those of
        the shot, in their order.

        Raises:
            OptionError: frames without one.
            PictureError: one that has not the size of its frame, or the proportions.
        """
        if isinstance(shot, Sequence):
            if self._listed:
                self._numbered = self._by_name()
            numbers = shot.numbers
            if self._numbered:
                self._files = {
                    i: self._numbered[n] for i, n in enumerate(numbers) if n in self._numbered
                }
                lost = [n for n in numbers if n not in self._numbered]
                self._refuse_missing(spans_of(lost), str(shot.path))
            for index, file in self._files.items():
                self._refuse_size(file, size_of(shot.pattern.file(numbers[index])))
        elif self._numbered:
            first = min(self._numbered)
            self._files = {n - first: file for n, file in self._numbered.items()}
            last = max(self._numbered) if not shot.promised else first + shot.promised - 1
            self._refuse_missing(missing(sorted(self._numbered), last), shot.path.name)
        elif self._listed:
            self._files = dict(enumerate(self._listed))
        self._refuse_count(shot)

    def _by_name(self) -> dict[int, Path]:
        found: dict[int, Path] = {}
        for file in self._listed:
            number = last_number(file)
            if number is None or number in found:
                why = (
                    "has no number" if number is None else f"has the number of {found[number].name}"
                )
                raise OptionError(
                    f"{file} {why}: of a sequence a {self.what} is found by the last number in its "
                    "name"
                )
            found[number] = file
        return found

    def _refuse_missing(self, spans: list[tuple[int, int]], shot: str) -> None:
        if spans and not (self._sparse and self._files):
            raise OptionError(
                f"{self._place} holds no {self.what} of {in_words(spans)}, frames of "
                f"{shot}: give one for each frame, or carry them on from frame to frame"
            )

    def _refuse_count(self, shot: Clip | Sequence) -> None:
        """Refuse more, or in a folder or clip fewer, than there are frames, where they say so."""
        if self.first_alone or not shot.promised or isinstance(shot, Sequence) and self._files:
            return
        if self._clip is not None:
            count = self._clip.promised
        else:
            count = max(self._files) + 1
        least = 1 if self._numbered else shot.promised
        if count and not least <= count <= shot.promised:
            raise OptionError(
                f"{self._place} holds {self.what}s of {count} frames, and {shot.path.name} has "
                f"{shot.promised}: give one for each frame"
            )

    def _refuse_size(self, file: Path, frame: Size | None) -> None:
        own = size_of(file)
        if own is None or frame is None or own == frame:
            return
        if self.what == "mask" and (self._fit or proportional(own, frame)):
            return
        size, shown = ("x".join(map(str, pair)) for pair in (own, frame))
        if self.what == "mask":
            raise PictureError(
                f"{file} is {size}, its picture {shown}: their proportions differ; give a mask of "
                "the whole picture, or let it be stretched to fit"
            )
        raise PictureError(f"{file} is {size}, its picture {shown}: they must be of one size")

    def trimap(self, index: int, frame: Picture) -> Bytes | None:
        """The trimap of a frame, from 0; call it with all frames in their order. None: it has none.

        Raises:
            PictureError: that of the first frame cannot be read, or does not fit.
            FrameError: that of a later frame does not, or there is none, and every frame needs one.
        """
        size = frame.pixels.shape[1], frame.pixels.shape[0]
        if not index:
            for file in self._files.values():
                self._refuse_size(file, size)
        try:
            if self._clip is not None:
                return self._of_clip(self._clip, index, size)
            file_ = self._files.get(index)
            return None if file_ is None else self._of_file(file_, frame, size)
        except PictureError as error:
            if index:
                raise FrameError(index, f"has no {self.what} ({error})") from None
            raise

    def _of_clip(self, clip: Clip, index: int, size: Size) -> Bytes:
        values = next(self._moving, None)
        if values is None:
            raise PictureError(clip.note or f"{self._place} ends before it")
        return self._make(values, f"{self._name}, frame {index}", size)

    def _of_file(self, file: Path, frame: Picture, size: Size) -> Bytes:
        read = read_trimap_for if self.what == "trimap" else read_mask_for
        values, notes = read(file, frame)
        for note in notes:
            self._note(note.replace(file.name, self._name))
        return self._make(values, str(file), size)

    def warnings(self, shot: Clip | Sequence) -> Iterator[str]:
        """A line for each odd thing in the files, and for a clip that goes on after the frames."""
        yield from counted(self._odd)
        if self._clip is not None and next(self._moving, None) is not None:
            yield f"{self._place} goes on after the last frame of {shot.path.name}"

    @property
    def _name(self) -> str:
        return Path(self._place).name

    def _note(self, line: str) -> None:
        self._odd[line] = self._odd.get(line, 0) + 1

    def _of_trimap(self, values: NDArray[Any], name: str, size: Size) -> Bytes:
        try:
            trimap, odd = read_trimap(values, size)
        except PictureError as error:
            raise PictureError(f"{name}: {error}") from None
        if odd and self._clip is None:
            self._note(
                f"{self._name}: pixels are not 0, 128 or 255; below 85 was read as background, "
                "from 170 as foreground"
            )
        return trimap


def _of_mask(values: NDArray[Any], name: str, size: Size) -> Bytes:
    try:
        return trimap_from_mask(values, size)
    except PictureError as error:
        raise PictureError(f"{name}: {error}") from None
