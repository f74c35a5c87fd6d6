"""Matting a clip or an image sequence from file to file; frames, their times and sound are kept."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.atomic import atomic_file, atomic_folder
from edgematte.clips.colour import SCREEN, Colour
from edgematte.clips.frames import Keep
from edgematte.clips.levels import Levels
from edgematte.clips.reading import Clip, ClipFrame
from edgematte.clips.writing import (
    Colours,
    FolderWriter,
    Format,
    VideoWriter,
    Writer,
    format_for,
)
from edgematte.errors import FrameError, OptionError
from edgematte.host import Size
from edgematte.pictures import Picture, alpha_bytes, composite, read_background
from edgematte.pictures.cutouts import open_background, without_hidden
from edgematte.pictures.framing import Framing
from edgematte.pictures.results import ResultOptions, is_png
from edgematte.ranges import check_options
from edgematte.runtime.clips.guided import CARRIED
from edgematte.runtime.host.carried_trimap import is_empty
from edgematte.runtime.host.foreground import estimate_foreground
from edgematte.sequences.pattern import Pattern, parse_pattern
from edgematte.sequences.reading import Sequence, SequenceFrame, picture_of
from edgematte.sequences.trimaps import FrameTrimaps
from edgematte.sequences.writing import SequenceWriter, in_folder, refuse_replacing

if TYPE_CHECKING:
    from edgematte.runtime.matte import Matte
    from edgematte.runtime.matter import Matter


@dataclass(frozen=True)
class ClipOptions:
    """Options of the clip that is written.

    Args:
        kind: cutout, alpha or trimap.
        background: a colour or a picture behind the cut-out, instead of transparency.
        foreground: remove the old background's tint from soft edges.
        reuse: see :meth:`edgematte.Matter.stream`.
        ignore_alpha: treat a clip with transparency of its own as opaque; otherwise the matte is
            multiplied by it.
        folder: write a folder of pictures, whatever the ending of its name.
        keep_colour: keep the background's colours where alpha is 0; otherwise they are black.
        png_level: of a folder's pictures; see :func:`edgematte.pictures.encode`.
        gamma_composite: before a background mix stored values; otherwise light is mixed. HDR is
            shown there as nets see it.
        alpha_bits: of a sequence, see :class:`edgematte.pictures.results.ResultOptions`.
        premultiplied: of the cut-outs of a sequence, the same.
        keep_exif: of the cut-outs of a sequence, the same.
        size: (width, height) of the pictures of a sequence, in which frames are scaled to fit.
        fps: frames a second of a clip that is written from a sequence; by default 25.
        carry: frames without a trimap get one from the frame before; see
            :meth:`edgematte.Matter.stream`.
    """

    kind: str = "cutout"
    background: str | None = None
    foreground: bool = False
    reuse: bool = True
    ignore_alpha: bool = False
    folder: bool = False
    keep_colour: bool = False
    png_level: int | None = None
    gamma_composite: bool = False
    alpha_bits: int | None = None
    premultiplied: bool | None = None
    keep_exif: bool = False
    size: Size | None = None
    fps: Fraction | None = None
    carry: bool | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown kind, and options of cut-outs for another kind."""
        check_options(kind=self.kind, png_level=self.png_level, fps=self.fps)
        if (self.background or self.foreground) and self.kind != "cutout":
            raise OptionError("background and foreground need a cutout")
        if self.keep_colour and not self.clear:
            raise OptionError("keep_colour needs a cutout with transparency")
        if self.gamma_composite and not self.background:
            raise OptionError("gamma_composite is of a background: give one with it")

    def of_pictures(self) -> ResultOptions:
        """How the pictures of a sequence look."""
        return ResultOptions(
            self.alpha_bits,
            open_background(self.background) if self.background else None,
            self.foreground,
            self.keep_colour,
            self.ignore_alpha,
            self.png_level,
            not self.gamma_composite,
            self.keep_exif,
            self.premultiplied,
            Framing(size=self.size),
        )

    def refuse(self, source: Path | Pattern, output: Path | Pattern) -> None:
        """Refuse options that have no meaning for what is read and written.

        Raises:
            OptionError: naming one.
        """
        for name in ("alpha_bits", "premultiplied", "keep_exif", "size"):
            if not isinstance(output, Pattern) and getattr(self, name):
                raise OptionError(
                    f"{name} is of single pictures and of sequences, not of a clip; leave it out"
                )
        if (
            self.png_level is not None
            and isinstance(output, Pattern)
            and not is_png(output.file(0))
        ):
            raise OptionError(f"png_level is of PNG files, not of {output}: leave it out")
        if self.fps is not None and not isinstance(source, Pattern):
            raise OptionError(
                "fps is of a sequence that becomes a clip, and a clip has times of its own: leave "
                "it out"
            )
        if self.fps is not None and isinstance(output, Pattern):
            raise OptionError(
                "fps is of a clip that is written, and pictures have no rate: leave it out"
            )

    @property
    def clear(self) -> bool:
        """Whether what is written has transparency."""
        return self.kind == "cutout" and self.background is None

    def keep(self, *, video: bool) -> Keep:
        """What of a clip's frames the result needs beside the view that nets have."""
        if self.kind != "cutout":
            return Keep.VIEW
        return Keep.LEVELS if video and self.clear and not self.foreground else Keep.RGB


@dataclass(frozen=True)
class ClipReport:
    """What was written, and what was wrong with the source (empty if nothing was)."""

    frames: int
    size: tuple[int, int]  # (width, height)
    seconds: float  # that the work took
    note: str
    warnings: tuple[str, ...] = ()  # parts of the source that the result lacks
    carried: int = 0  # frames whose trimap was made of the frame before

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds if self.seconds else 0.0


def matte_clip(
    matter: "Matter",
    source: Path | Pattern,
    output: Path | Pattern,
    options: ClipOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    trimaps: FrameTrimaps | None = None,
) -> ClipReport:
    """Matte every frame of a clip or sequence.

    A clip or a folder is written whole or not at all, each picture of a sequence as soon as it is
    done. What ends early, because a frame cannot be read or has no trimap, gives what it had.

    Args:
        matter: a loaded bundle.
        source: any clip FFmpeg reads; or the names of a sequence's files, see
            :func:`edgematte.sequences.pattern.parse_pattern`, also as a path (``frame_%05d.png``).
        output: ``.mov`` (ProRes 4444), ``.webm`` (VP9), ``.mp4`` (H.264; with a background), names
            of a sequence's files, or a folder, for PNG files.
        options: options of the result.
        progress: called after each frame with the number of frames done and expected (0: unknown).
        trimaps: trimaps or masks of the frames.

    Raises:
        OptionError: the output cannot hold what was asked for, another run is writing it, or
            trimaps do not match the frames.
        PictureError: the source, or a trimap of its first frame, cannot be read.
        EngineError: PyAV is not installed, the engine failed, or FFmpeg could not write.
    """
    options = options or ClipOptions()
    source, output, kind = places(source, output, options)
    options.refuse(source, output)
    if options.background:
        read_background(options.background, (1, 1))  # refuse a bad background before any work
    started = time.perf_counter()
    with _opened(source, options, kind) as shot:
        _refuse_replacing(shot, output, kind, trimaps)
        if trimaps is not None:
            trimaps.match(shot)
        job = _Job(matter, shot, options, progress, trimaps)
        with _place(output, kind) as scratch:
            size = job.run(scratch, kind)
        seconds = time.perf_counter() - started
        return ClipReport(job.done, size, seconds, job.note, tuple(job.warnings()), job.carried)


def places(
    source: Path | Pattern, output: Path | Pattern, options: ClipOptions
) -> tuple[Path | Pattern, Path | Pattern, Format | None]:
    """What names stand for: a clip, a folder, or the files of a sequence; and a clip's format.

    A sequence in a folder keeps the names of its files.

    Raises:
        OptionError: a name of no format, or of one that cannot hold what is asked for.
    """
    if isinstance(source, Path):
        source = parse_pattern(str(source)) or source
    if isinstance(output, Path) and not (options.folder or output.is_dir()):
        output = parse_pattern(str(output), exists=False) or output
    if isinstance(output, Pattern):
        return source, output, None
    kind = None if options.folder else format_for(output, clear=options.clear)
    if kind is not None and options.png_level is not None:
        raise OptionError(f"png_level is of PNG files, not of {output.name}: leave it out")
    if kind is None and isinstance(source, Pattern):
        return source, in_folder(output, source, options.kind), None
    return source, output, kind


def _opened(source: Path | Pattern, options: ClipOptions, kind: Format | None) -> Clip | Sequence:
    if isinstance(source, Pattern):
        return Sequence(source, options.fps)
    return Clip(source, options.keep(video=kind is not None))


def _refuse_replacing(
    shot: Clip | Sequence,
    output: Path | Pattern,
    kind: Format | None,
    trimaps: FrameTrimaps | None,
) -> None:
    """Refuse an output in whose place something is that is read, or a folder that is full."""
    files = shot.files if isinstance(shot, Sequence) else [shot.path]
    read = [*files, *(trimaps.read if trimaps else ())]
    if isinstance(output, Pattern):
        refuse_replacing(output, read)
    elif output.exists() and (
        output.resolve() in {file.resolve() for file in read} or (kind is None and _full(output))
    ):
        raise OptionError(f"{output} would be replaced; choose another -o")


def _place(output: Path | Pattern, kind: Format | None) -> AbstractContextManager[Path | Pattern]:
    """Where to write: a scratch file or folder, which takes its place when all is there."""
    if isinstance(output, Pattern):
        return nullcontext(output)
    if kind is None:
        return atomic_folder(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    return atomic_file(output)


def _full(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())


class _Job:
    """The work on one clip or sequence."""

    def __init__(
        self,
        matter: "Matter",
        shot: Clip | Sequence,
        options: ClipOptions,
        progress: Callable[[int, int], None],
        trimaps: FrameTrimaps | None,
    ) -> None:
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
