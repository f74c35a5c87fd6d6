"""Writing clips: ProRes 4444 and VP9 with transparency, H.264 without, or a folder of pictures."""

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.clips.colour import Colour
from edgematte.clips.container import pyav, writing
from edgematte.clips.levels import Levels, samples
from edgematte.clips.reading import ClipFrame
from edgematte.clips.sound import Sound
from edgematte.clips.timecode import KEY, is_timecode
from edgematte.clips.times import Rising
from edgematte.errors import OptionError
from edgematte.pictures import cutout, write_picture
from edgematte.pictures.hdr import Coding

LIMITED_RANGE = 1  # FFmpeg's number for limited-range colour


@dataclass(frozen=True)
class Format:
    """How a kind of file is written; ``clear`` is the pixel format with transparency, if any."""

    container: str
    codec: str
    opaque: str
    clear: str | None
    options: dict[str, str]

    @property
    def bits(self) -> int:
        """Bits of a sample."""
        return 10 if "10" in self.opaque else 8


FORMATS = {
    ".mov": Format("mov", "prores_ks", "yuv444p10le", "yuva444p10le", {"profile": "4444"}),
    ".webm": Format(
        "webm",
        "libvpx-vp9",
        "yuv420p",
        "yuva420p",
        # alternate reference frames cannot hold transparency
        {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "4", "auto-alt-ref": "0"},
    ),
    ".mp4": Format("mp4", "libx264", "yuv420p", None, {"crf": "16"}),
}


Colours = NDArray[np.unsignedinteger[Any]] | Levels
"""RGB (H, W, 3) of 8 or 16 bits, or what a clip stores itself."""


class Writer(Protocol):
    """Takes frames one by one; ``close`` completes the file."""

    def write(self, colour: Colours, alpha: Floats | None, at: ClipFrame) -> None:
        """A frame (H, W, 3), its transparency (H, W), and the frame whose time it takes."""

    def close(self) -> None:
        """No more frames: complete what was written."""

    def discard(self) -> None:
        """Close all files without completing them; what was written is of no use."""


def format_for(path: Path, *, clear: bool) -> Format | None:
    """How to write a path; None for a folder of pictures, a name without an ending.

    Raises:
        OptionError: no format has this ending, or the format holds no transparency.
    """
    suffix = path.suffix.lower()
    if not suffix or path.is_dir():
        return None
    if suffix not in FORMATS:
        raise OptionError(
            f"{path.name}: clips are written as .mov (ProRes 4444), .webm (VP9), .mp4 (H.264, with "
            "a background) or, without an ending, as a folder of PNG files"
        )
    if clear and FORMATS[suffix].clear is None:
        raise OptionError(
            f"{path.name}: {suffix} holds no transparency; give a background, or write .mov, .webm "
            "or a folder"
        )
    return FORMATS[suffix]


class VideoWriter:
    """A file with pictures of one size, and the sound of the clip they come from."""

    def __init__(
        self,
        path: Path,
        kind: Format,
        size: tuple[int, int],
        rate: Fraction,
        base: Fraction,
        sound: tuple[Path, Fraction] | None,
        *,
        clear: bool,
        colour: Colour | None = None,
        matrix: int | None = None,
        timecode: str = "",
    ) -> None:
        """Begin a file.

        Args:
            path: of the file.
            kind: its format.
            size: (width, height).
            rate: frames a second.
            base: the unit of times, in seconds.
            sound: a clip whose sound and subtitles are copied, and when it starts, in seconds.
            clear: whether frames have transparency.
            colour: the tags.
            matrix: of levels that are written, see :data:`edgematte.clips.levels.KEPT`; None: RGB
                is written, with the matrix of its primaries.
            timecode: of the first frame; empty: none.

        Raises:
            EngineError: FFmpeg lacks the encoder, or cannot write the file.
        """
        self._av, self._path = pyav(), path
        self._sound: Sound | None = None
        self._colour, self._rising = colour or Colour(), Rising()
        self._matrix = self._colour.matrix if matrix is None else matrix
        self._format = kind.clear if clear and kind.clear else kind.opaque
        self._even, self.bits = kind.codec == "libx264", kind.bits  # bits of a sample
        self._told: list[str] = []
        with writing(path.name):
            self._output = self._av.open(str(path), "w", format=kind.container)
            self._stream = self._pictures(kind, size, rate, base)
            if is_timecode(timecode, rate):
                self._stream.metadata[KEY] = timecode
            elif timecode:
                fps = f"{float(rate):.2f} frames a second"
                self._told.append(f"the timecode {timecode} is none of {fps}: left out")
            if sound is not None:
                self._sound = Sound(sound[0], self._output, sound[1])

    @property
    def warnings(self) -> list[str]:
        """What the file lacks, a line each; complete once it is closed."""
        return self._told + (self._sound.warnings if self._sound else [])

    def _pictures(self, kind: Format, size: tuple[int, int], rate: Fraction, base: Fraction) -> Any:
        stream = self._output.add_stream(kind.codec, rate=rate, options=kind.options)
        stream.width, stream.height = (n + n % 2 if self._even else n for n in size)
        stream.pix_fmt = self._format
        context = stream.codec_context
        context.time_base = stream.time_base = base
        context.colorspace, context.color_range = self._matrix, LIMITED_RANGE
        context.color_primaries = self._colour.primaries
        context.color_trc = self._colour.transfer
        context.thread_type = "AUTO"
        return stream

    def write(self, colour: Colours, alpha: Floats | None, at: ClipFrame) -> None:
        """See :class:`Writer`. H.264 has even sides only: the last row and column are repeated.

        Two frames of one time are shown one after the other, by the smallest step.
        """
        with writing(self._path.name):
            frame = self._of_levels(colour) if isinstance(colour, Levels) else self._of_rgb(colour)
            frame.colorspace, frame.color_range = self._matrix, LIMITED_RANGE
            # ProRes has them in each frame, too, and decoders believe those.
            frame.color_primaries, frame.color_trc = self._colour.primaries, self._colour.transfer
            if alpha is not None:
                samples(frame.planes[3], self.bits)[:] = np.rint(
                    alpha * np.float32(2**self.bits - 1)
                )
            frame.pts, frame.time_base = self._rising.after(at.pts), at.time_base
            frame.duration = at.duration
            for packet in self._stream.encode(frame):
                self._output.mux(packet)
            if self._sound is not None:
                self._sound.copy_until(frame.pts * at.time_base)

    def _of_rgb(self, colour: NDArray[Any]) -> Any:
        """A frame of RGB (H, W, 3), uint8 or uint16."""
        if self._even and (colour.shape[0] % 2 or colour.shape[1] % 2):
            missing = [(0, colour.shape[0] % 2), (0, colour.shape[1] % 2), (0, 0)]
            colour = np.pad(colour, missing, mode="edge")
        if colour.dtype == np.uint16:
            return self._of_levels(Levels.of_rgb(colour, self._matrix, self.bits))
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(colour), format="rgb24")
        return frame.reformat(
            format=self._format, dst_colorspace=self._matrix, dst_color_range=LIMITED_RANGE
        )

    def _of_levels(self, colour: Levels) -> Any:
        """A frame of luma and chroma as they are; alpha is written later."""
        height, width = colour.planes[0].shape
        deep = "p10le" if self.bits == 10 else "p"
        clear = "a" if self._format.startswith("yuva") else ""
        frame = self._av.VideoFrame(width, height, f"yuv{clear}444{deep}")
        for i, plane in enumerate(colour.limited(self.bits)):
            samples(frame.planes[i], self.bits)[:] = plane
        if frame.format.name == self._format:
            return frame
        ranges = dict.fromkeys(("src_color_range", "dst_color_range"), LIMITED_RANGE)
        return frame.reformat(format=self._format, **ranges)

    def close(self) -> None:
        """Write what the encoder still holds, the rest of the sound, and the file's tables."""
        with writing(self._path.name):
            self._output.mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.finish()
                self._sound.close()
            self._output.close()

    def discard(self) -> None:
        """See :class:`Writer`."""
        if self._sound is not None:
            self._sound.close()
        with suppress(self._av.error.FFmpegError, OSError, ValueError):
            self._output.close()


class FolderWriter:
    """Writes a folder of PNG files, and a table of the times at which they are shown."""

    TABLE = "frames.csv"

    def __init__(
        self, folder: Path, png_level: int | None = None, coding: Coding | None = None
    ) -> None:
        """``folder`` exists; ``png_level``, ``coding``: see :func:`edgematte.pictures.encode`."""
        self._folder, self._level, self._coding = folder, png_level, coding
        self._rows = ["file,seconds"]

    def write(self, colour: Colours, alpha: Floats | None, at: ClipFrame) -> None:
        """See :class:`Writer`."""
        assert not isinstance(colour, Levels)  # PNG holds RGB
        name = f"frame-{len(self._rows) - 1:06d}.png"
        write_picture(
            colour if alpha is None else cutout(colour, alpha, keep_colour=True),
            self._folder / name,
            png_level=self._level,
            coding=self._coding,
        )
        self._rows.append(f"{name},{float(at.pts * at.time_base):.6f}")

    def discard(self) -> None:
        """See :class:`Writer`."""

    def close(self) -> None:
        """Write the table."""
        (self._folder / self.TABLE).write_text("\n".join(self._rows) + "\n", encoding="ascii")
