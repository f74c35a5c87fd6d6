"""Matting a clip or an image sequence from file to file; frames, their times and sound are kept."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgematte.atomic import atomic_file, atomic_folder
from edgematte.clips.job import Job
from edgematte.clips.options import ClipOptions
from edgematte.clips.reading import Clip
from edgematte.clips.writing import Format, format_for
from edgematte.errors import OptionError
from edgematte.pictures import read_background
from edgematte.sequences.pattern import Pattern, parse_pattern
from edgematte.sequences.reading import Sequence
from edgematte.sequences.trimaps import FrameTrimaps
from edgematte.sequences.writing import in_folder, refuse_replacing

__all__ = ["ClipOptions", "ClipReport", "matte_clip", "places"]

if TYPE_CHECKING:
    from edgematte.runtime.matter import Matter


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
        job = Job(matter, shot, options, progress, trimaps)
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
