"""Matting a clip from file to file; the number of frames, their times and the sound are kept."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from itertools import chain
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
    PNG_BITS,
    Colours,
    FolderWriter,
    Format,
    VideoWriter,
    Writer,
    format_for,
)
from edgematte.errors import OptionError
from edgematte.host import Size
from edgematte.pictures import alpha_bytes, composite, read_background
from edgematte.pictures.cutouts import without_hidden
from edgematte.ranges import check_options
from edgematte.runtime.host.foreground import estimate_foreground

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

    def __post_init__(self) -> None:
        """Refuse an unknown kind, and options of cut-outs for another kind."""
        check_options(kind=self.kind, png_level=self.png_level)
        if (self.background or self.foreground) and self.kind != "cutout":
            raise OptionError("background and foreground need a cutout")
        if self.keep_colour and not self.clear:
            raise OptionError("keep_colour needs a cutout with transparency")
        if self.gamma_composite and not self.background:
            raise OptionError("gamma_composite is of a background: give one with it")

    @property
    def clear(self) -> bool:
        """Whether what is written has transparency."""
        return self.kind == "cutout" and self.background is None

    def keep(self, *, folder: bool) -> Keep:
        """What of a clip's frames the result needs beside the view that nets have."""
        if self.kind != "cutout":
            return Keep.VIEW
        return Keep.RGB if folder or self.foreground or self.background else Keep.LEVELS


@dataclass(frozen=True)
class ClipReport:
    """What was written, and what was wrong with the source (empty if nothing was)."""

    frames: int
    size: tuple[int, int]  # (width, height)
    seconds: float  # that the work took
    note: str
    warnings: tuple[str, ...] = ()  # parts of the source that the result lacks

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds if self.seconds else 0.0


def matte_clip(
    matter: "Matter",
    source: Path,
    output: Path,
    options: ClipOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    first: Callable[[Size], Bytes] | None = None,
) -> ClipReport:
    """Matte every frame of a clip; the result is written whole or not at all.

    Args:
        matter: a loaded bundle.
        source: any clip FFmpeg reads.
        output: ``.mov`` (ProRes 4444), ``.webm`` (VP9), ``.mp4`` (H.264; with a background), or a
            folder, for PNG files.
        options: options of the result.
        progress: called after each frame with the number of frames done and expected (0: unknown).
        first: makes the trimap (H, W) of the first frame from its size (W, H); later frames are as
            without it.

    Raises:
        OptionError: the output cannot hold what was asked for, or another run is writing it.
        PictureError: the source cannot be read.
        EngineError: PyAV is not installed, the engine failed, or FFmpeg could not write.
    """
    options = options or ClipOptions()
    kind = None if options.folder else format_for(output, clear=options.clear)
    if kind is not None and options.png_level is not None:
        raise OptionError(f"png_level is of PNG files, not of {output.name}: leave it out")
    if output.exists() and (
        output.resolve() == source.resolve() or (kind is None and _full(output))
    ):
        raise OptionError(f"{output} would be replaced; choose another -o")
    if options.background:
        read_background(options.background, (1, 1))  # refuse a bad background before any work
    started = time.perf_counter()
    with Clip(source, options.keep(folder=kind is None)) as clip:
        output.parent.mkdir(parents=True, exist_ok=True)
        place: AbstractContextManager[Path]
        place = atomic_folder(output) if kind is None else atomic_file(output)
        with place as scratch:
            job = _Job(matter, clip, options, progress)
            size = job.run(scratch, kind, first)
        seconds = time.perf_counter() - started
        return ClipReport(job.done, size, seconds, clip.note, tuple(job.warnings()))


def _full(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())


class _Job:
    """The work on one clip."""

    def __init__(
        self,
        matter: "Matter",
        clip: Clip,
        options: ClipOptions,
        progress: Callable[[int, int], None],
    ) -> None:
        self.matter, self.clip, self.options, self.progress = matter, clip, options, progress
        self.done = 0
        self._on_screen = bool(options.background) and clip.colour.coding is not None
        self._read: SimpleQueue[ClipFrame] = SimpleQueue()
        self._behind: Bytes | None = None
        self._writer: Writer | None = None

    def run(
        self, scratch: Path, kind: Format | None, first: Callable[[Size], Bytes] | None
    ) -> Size:
        """Write all frames to ``scratch``; returns their size."""
        frames: Iterator[Bytes] = self._pixels()
        trimap: Bytes | None = None
        size = (0, 0)
        if first is not None:
            head = next(frames)  # a clip without a frame is an error
            trimap, frames = first((head.shape[1], head.shape[0])), chain([head], frames)
        stream = self.matter.stream(frames, reuse=self.options.reuse, trimap=trimap)
        with closing(stream) as mattes:
            try:
                for matte in mattes:
                    frame = self._read.get()
                    size = frame.pixels.shape[1], frame.pixels.shape[0]
                    writer = self._writer or self._open(scratch, kind, size, frame)
                    self._writer = writer
                    colour, alpha = self._composed(frame, matte)
                    writer.write(colour, alpha, frame)
                    self.done += 1
                    self.progress(self.done, self.clip.promised)
                assert self._writer is not None  # a clip without a frame is an error
                self._writer.close()
            except BaseException:
                if self._writer is not None:
                    self._writer.discard()
                raise
        return size

    def warnings(self) -> Iterator[str]:
        """A line for each part of the source that the result lacks."""
        clip, writer, name = self.clip, self._writer, self.clip.path.name
        yield from clip.warnings
        video = isinstance(writer, VideoWriter)
        if self.options.kind == "cutout":
            held = writer.bits if isinstance(writer, VideoWriter) else PNG_BITS
            screen = self._on_screen
            yield from clip.colour.lost(name, clip.bits, held, folder=not video, screen=screen)
            if clip.mastered and not screen:
                yield f"{name}: its data of the mastering screen is not kept"
        if isinstance(writer, VideoWriter):
            yield from writer.warnings
            yield from clip.apart()
        elif beside := clip.beside():
            yield f"{name}: a folder holds pictures alone; left out: {beside}"

    def _pixels(self) -> Iterator[Bytes]:
        """The pixels of the frames; their times are queued until the mattes come."""
        for frame in self.clip.frames():
            self._read.put(frame)
            yield frame.pixels

    def _open(
        self, scratch: Path, kind: Format | None, size: tuple[int, int], frame: ClipFrame
    ) -> Writer:
        if self.options.background:
            self._behind = read_background(self.options.background, size)
        # Alpha and trimaps are not colours.
        colour = self.clip.colour if self.options.kind == "cutout" else Colour()
        colour = SCREEN if self._on_screen else colour
        if kind is None:
            return FolderWriter(scratch, self.options.png_level, colour.recorded)
        return VideoWriter(
            scratch,
            kind,
            size,
            self.clip.rate,
            frame.time_base,
            (self.clip.path, self.clip.start_s),
            clear=self.options.clear,
            colour=colour,
            matrix=frame.kept.matrix if isinstance(frame.kept, Levels) else None,
            timecode=self.clip.timecode,
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
