"""The work on one clip or sequence: reading, matting and writing its frames."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.clips.colour import SCREEN, Colour
from edgematte.clips.levels import Levels
from edgematte.clips.options import ClipOptions
from edgematte.clips.reading import Clip, ClipFrame
from edgematte.clips.writing import Colours, FolderWriter, Format, VideoWriter, Writer
from edgematte.errors import FrameError
from edgematte.host import Size
from edgematte.pictures import Picture, alpha_bytes, composite, read_background
from edgematte.pictures.cutouts import without_hidden
from edgematte.pictures.results import ResultOptions
from edgematte.runtime.clips.guided import CARRIED
from edgematte.runtime.host.carried_trimap import is_empty
from edgematte.runtime.host.foreground import estimate_foreground
from edgematte.sequences.pattern import Pattern
from edgematte.sequences.reading import Sequence, SequenceFrame, picture_of
from edgematte.sequences.trimaps import FrameTrimaps
from edgematte.sequences.writing import SequenceWriter

if TYPE_CHECKING:
    from edgematte.runtime.matte import Matte
    from edgematte.runtime.matter import Matter


class Job:
    """The work on one clip or sequence."""

    def __init__(
        self,
        matter: "Matter",
        shot: Clip | Sequence,
        options: ClipOptions,
        progress: Callable[[int, int], None],
        trimaps: FrameTrimaps | None,
    ) -> None:
        """Nothing is read yet; arguments are those of :func:`edgematte.video.matte_clip`."""
        self.matter, self.shot, self.options, self.progress = matter, shot, options, progress
        self.trimaps = trimaps
        self.done = 0
        self.note = ""  # why the result ends before the source
        self.carried = 0  # frames whose trimap was made of the frame before
        self._on_screen = bool(options.background) and shot.colour.coding is not None
        self._empty: int | None = None  # the frame from which nothing was left to carry on
        self._read: SimpleQueue[ClipFrame] = SimpleQueue()
        self._last: ClipFrame | None = None  # the last frame that was read
        self._behind: Bytes | None = None
        self._size: Size = (0, 0)  # of the clip that is written
        self._writer: Writer | SequenceWriter | None = None

    def run(self, place: Path | Pattern, kind: Format | None) -> Size:
        """Write all frames to a scratch file or folder, or as a sequence; returns their size."""
        results = self.options.of_pictures() if isinstance(place, Pattern) else None
        if isinstance(place, Pattern) and results is not None:
            rate = None if isinstance(self.shot, Sequence) else self.shot.rate
            self._writer = SequenceWriter(place, self.options.kind, results, rate)
        size = (0, 0)
        more: dict[str, Any] = {}
        if self.trimaps is not None:
            more = {"trimaps": self._trimaps(), "carry": self._carry(self.trimaps)}
        frames = self._pictures(results)
        stream = self.matter.stream(frames, reuse=self.options.reuse, **more)
        with closing(stream) as mattes:
            try:
                try:
                    for matte in mattes:
                        frame = self._read.get()
                        size = frame.pixels.shape[1], frame.pixels.shape[0]
                        self._write(frame, matte, size, place, kind)
                        self.done += 1
                        self.progress(self.done, self.shot.promised)
                except FrameError as error:
                    if not self.done:
                        raise
                    self.note = self._ended(error)
                assert self._writer is not None  # a clip without a frame is an error
                self._writer.close()
            except BaseException:
                if self._writer is not None:
                    self._writer.discard()
                raise
        self.note = self.note or self.shot.note
        return size

    def _carry(self, trimaps: FrameTrimaps) -> bool:
        """Whether trimaps are carried on: where it is asked for, or nothing else makes them."""
        if self.options.carry is not None:
            return self.options.carry
        return trimaps.first_alone and self.matter.needs_trimap

    def _write(
        self,
        frame: ClipFrame,
        matte: "Matte",
        size: Size,
        place: Path | Pattern,
        kind: Format | None,
    ) -> None:
        if matte.counts.get(CARRIED):
            self.carried += 1
            if self._empty is None and is_empty(matte.trimap):
                self._empty = self.done
        if isinstance(self._writer, SequenceWriter):
            number = frame.number if isinstance(frame, SequenceFrame) else None
            self._writer.write(matte, frame.pts * frame.time_base, number)
            return
        assert isinstance(place, Path)
        if self._writer is None:
            self._writer = self._open(place, kind, size, frame)
            self._size = size
        if kind is not None and size != self._size:
            now, before = ("x".join(map(str, pair)) for pair in (size, self._size))
            raise FrameError(self.done, f"is {now}, and a clip has one size, here {before}")
        colour, alpha = self._composed(frame, matte)
        self._writer.write(colour, alpha, frame)

    def _ended(self, error: FrameError) -> str:
        """Why the result ends before a frame, in the words of its source."""
        where = f"{self.shot.path.name} ends early, after {self.done} frames"
        if isinstance(self.shot, Sequence):
            file = self.shot.pattern.file(self.shot.numbers[error.frame])
            return f"{where}: {file.name} {error.reason}"
        return f"{where}: the next one {error.reason}"

    def warnings(self) -> Iterator[str]:
        """A line for each part of the source that the result lacks."""
        yield from self.shot.warnings
        if isinstance(self.shot, Clip):
            yield from self._lost(self.shot)
        if isinstance(self._writer, VideoWriter | SequenceWriter):
            yield from self._writer.warnings
        if self.trimaps is not None:
            yield from self.trimaps.warnings(self.shot)
        if self._empty is not None:
            yield (
                f"{self.shot.path.name}: after {self._empty} frames nothing of the subject was "
                "left to carry on, and the rest is empty: give a trimap or mask of a later one, too"
            )

    def _lost(self, clip: Clip) -> Iterator[str]:
        """What of a clip's colours, tracks and timecode the result lacks."""
        writer, name = self._writer, clip.path.name
        video = isinstance(writer, VideoWriter)
        if self.options.kind == "cutout" and self._on_screen:
            yield clip.colour.shown(name)
        elif self.options.kind == "cutout":
            told = (
                clip.colour.coding if isinstance(writer, SequenceWriter) else clip.colour.recorded
            )
            if not video and told is None and clip.colour.words:
                yield f"{name} has {clip.colour.words} colour, which its pictures do not say"
            if isinstance(writer, VideoWriter) and writer.bits < clip.bits:
                yield f"{name} has {clip.bits} bits a channel, the result {writer.bits}"
            if clip.mastered:
                yield f"{name}: its data of the mastering screen is not kept"
        if video:
            yield from clip.apart()
        elif beside := clip.beside():
            yield f"{name}: pictures alone are written; left out: {beside}"

    def _pictures(self, results: ResultOptions | None) -> Iterator[Bytes | Picture]:
        """The frames as a Matter takes them; their times are queued until the mattes come.

        Where pictures are written (``results``) their depth and transparency go along.
        """
        for frame in self.shot.frames():
            self._read.put(frame)
            self._last = frame
            yield frame.pixels if results is None else results.image(picture_of(frame))

    def _trimaps(self) -> Iterator[Bytes | None]:
        """The trimap of the frame that was read last, for each."""
        assert self.trimaps is not None
        for index in count():
            assert self._last is not None
            yield self.trimaps.trimap(index, picture_of(self._last))

    def _open(self, scratch: Path, kind: Format | None, size: Size, frame: ClipFrame) -> Writer:
        if self.options.background:
            self._behind = read_background(self.options.background, size)
        # Alpha and trimaps are not colours.
        colour = self.shot.colour if self.options.kind == "cutout" else Colour()
        colour = SCREEN if self._on_screen else colour
        if kind is None:
            return FolderWriter(scratch, self.options.png_level, colour.recorded)
        clip = self.shot if isinstance(self.shot, Clip) else None
        return VideoWriter(
            scratch,
            kind,
            size,
            self.shot.rate,
            frame.time_base,
            None if clip is None else (clip.path, clip.start_s),
            clear=self.options.clear,
            colour=colour,
            matrix=frame.kept.matrix if isinstance(frame.kept, Levels) else None,
            timecode="" if clip is None else clip.timecode,
        )

    def _composed(self, frame: ClipFrame, matte: "Matte") -> tuple[Colours, Floats | None]:
        """Colour (H, W, 3), and alpha (H, W) where the result has transparency."""
        alpha, trimap = matte.alpha, matte.trimap
        if frame.alpha is not None and not self.options.ignore_alpha:
            # Codecs leave what was opaque a little below 1, so that foreground stays foreground.
            alpha = alpha * frame.alpha
            trimap = np.where(frame.alpha > 0, trimap, 0)
        if self.options.kind != "cutout":
            grey = np.rint(alpha * 255) if self.options.kind == "alpha" else trimap
            return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2), None
        kept = frame.kept
        if isinstance(kept, Levels):
            return (kept if self.options.keep_colour else kept.without_hidden(alpha)), alpha
        picture: NDArray[Any] = frame.pixels if kept is None or self._on_screen else kept
        if self.options.foreground:
            picture = estimate_foreground(picture, matte.alpha)
        if self._behind is not None:
            # The tone curves of sRGB are those that screens show ITU-R 709 with.
            linear = not self.options.gamma_composite
            return composite(picture, alpha, self._behind, linear=linear), None
        if not self.options.keep_colour:
            # As coarse as the coarsest result has alpha: what it hides there is hidden in all.
            picture = without_hidden(picture, np.where(alpha_bytes(alpha) > 0, alpha, 0))
        return picture, alpha
