"""Reading clips: upright RGB frames with square pixels, with their times and transparency."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgematte.arrays import Bytes, Floats
from edgematte.clips.colour import Colour, colour_of
from edgematte.clips.container import fraction, open_container, pyav, reason
from edgematte.clips.extents import Extents
from edgematte.clips.frames import Frames, Keep, Kept
from edgematte.clips.geometry import believable
from edgematte.clips.levels import bits_of
from edgematte.clips.side_data import has_mastering
from edgematte.clips.timecode import timecode_of
from edgematte.clips.times import Shown, short_of
from edgematte.clips.transparency import alpha_decoder
from edgematte.clips.whole import is_whole
from edgematte.errors import EdgematteError, PictureError
from edgematte.pictures.hdr import Coding
from edgematte.pictures.reading import refuse_large

COVERS = 1024 | 2048 | 1048576  # dispositions: attached picture, timed thumbnails, still image


@dataclass(frozen=True)
class ClipFrame:
    """One frame; ``pts`` counts units of ``time_base`` seconds from the clip's start."""

    pixels: Bytes  # (H, W, 3), RGB, upright, square; of HDR the view on an ordinary screen
    pts: int
    duration: int  # in the same units; 0 where the file does not say
    time_base: Fraction
    alpha: Floats | None = None  # (H, W), in [0, 1], where the clip itself has transparency
    kept: Kept = None  # what was asked for beside the pixels, where there is more
    coding: Coding | None = None  # of the RGB of an HDR clip that is kept


class Clip:
    """A clip opened for reading; close it, or use it in a ``with`` statement."""

    def __init__(self, path: Path, keep: Keep = Keep.VIEW) -> None:
        """Read the header.

        Args:
            path: the file.
            keep: what of its frames is read.

        Raises:
            PictureError: missing, not a clip, without pictures, or in a codec that is not known.
            EngineError: PyAV is not installed.
        """
        self.path, self._av = path, pyav()
        self._container = open_container(path)
        try:
            self._stream = stream = self._pictures()
            coded = stream.codec_context
            refuse_large(path.name, coded.width, coded.height)
        except EdgematteError:
            self._container.close()
            raise
        stream.thread_type = "AUTO"
        rate = fraction(stream.average_rate) or fraction(stream.guessed_rate)
        self.rate: Fraction = rate or Fraction(25)
        shown = sum(not entry.is_discard for entry in self._listed())
        self.promised: int = shown or stream.frames  # 0 where the file does not say
        self.colour: Colour = colour_of(stream)
        self.bits: int = bits_of(coded.format)  # of a sample
        self.timecode: str = timecode_of(self._container, stream)  # empty if there is none
        self.mastered = False  # whether a frame read so far describes the screen it was made on
        self.note = ""  # the error that ended reading; empty if there was none
        self.warnings: list[str] = []  # parts of the clip that are not used
        start = self._container.start_time or 0
        self.start_s = Fraction(start, 1_000_000)
        self._promised_s = Fraction(self._container.duration or 0, 1_000_000)
        self._extents, self._packets = Extents(self.start_s, self.rate), 0
        self._base = fraction(stream.time_base) or 1 / self.rate
        numbered = self._container.format.name == "avi"
        units = round(1 / self.rate / self._base)
        self._shown = Shown(round(self.start_s / self._base), units, numbered=numbered)
        self._decoder, lost = alpha_decoder(stream)
        if lost:
            self.warnings.append(f"the transparency of {path.name} cannot be decoded here")
        shape = fraction(stream.sample_aspect_ratio)
        if shape is not None and not believable(shape):
            self.warnings.append(f"{path.name}: pixels of {shape} are read as square")
        self._frames = Frames(path.name, shape, self.colour, keep)
        self._lock, self._open = threading.Lock(), True

    def _pictures(self) -> Any:
        """The video stream with the clip's pictures, which is no cover or thumbnail."""
        streams = [s for s in self._container.streams.video if not s.disposition.value & COVERS]
        if not streams:
            raise PictureError(f"{self.path.name} holds no pictures that move")
        if streams[0].codec_context is None:
            raise PictureError(f"{self.path.name} is in a codec that this FFmpeg does not know")
        return streams[0]

    def __enter__(self) -> "Clip":
        """The clip itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; another thread that reads frames gets no more."""
        with self._lock:
            self._open = False
            self._container.close()

    def frames(self) -> Iterator[ClipFrame]:
        """The frames in the order they are shown; if the clip breaks off, those before."""
        count = 0
        for frame in self._decoded():
            pixels, alpha, kept = self._frames.read(frame)
            self.mastered = self.mastered or has_mastering(frame)
            pts = self._shown.frame(frame)
            at = pts, frame.duration or 0, self._base
            yield ClipFrame(pixels, *at, alpha, kept, self.colour.coding)
            count += 1
        if not count:
            raise PictureError(f"{self.path.name} holds no frame that can be read{self._because()}")
        with self._lock:
            if self._open:
                self.note = self._broken(count)

    def _broken(self, count: int) -> str:
        """What is wrong with a clip that was read to its end; empty if it is complete.

        For MP4 the table of samples is compared with the packets that were read, not with the
        frames, because an edit list hides frames of a complete file. Frame counts in other headers
        are not used: they count frames that were never stored.
        """
        name = self.path.name
        if self.note:
            return f"{name} breaks off after {count} frames{self._because()}"
        listed = len(self._listed())
        if listed > self._packets:
            missing = listed - self._packets
            return f"{name} breaks off after {count} frames, {missing} before its end"
        reached_s = self._extents.reached_s
        if short_of(self._promised_s, reached_s, self.rate):
            had = f"{float(reached_s):.2f} of {float(self._promised_s):.2f} s"
            if not is_whole(self.path):
                return f"{name} breaks off after {count} frames, {had}"
            self.warnings.append(f"{name} is whole, but lasts {had} that its header says")
        return ""

    def apart(self) -> list[str]:
        """Of a clip that was read to its end: a line for each track out of line; see `Extents`."""
        sounds = [stream.index for stream in self._container.streams.audio]
        pictures = self._stream.index
        return [] if self.note else self._extents.apart(self.path.name, pictures, sounds)

    def beside(self) -> str:
        """What the clip has beside pictures, in words; empty if it has nothing."""
        streams = self._container.streams
        counts = {"sound": len(streams.audio), "subtitles": len(streams.subtitles)}
        words = [
            f"{count} track{'s' * (count > 1)} of {kind}" for kind, count in counts.items() if count
        ]
        return ", ".join([*words, *["timecode"] * bool(self.timecode)])

    def _listed(self) -> Sequence[Any]:
        """The table of samples of an MP4 or QuickTime clip; empty for other formats."""
        if "mp4" not in self._container.format.name:
            return ()
        entries: Sequence[Any] = getattr(self._stream, "index_entries", ())  # PyAV 17 and later
        return entries

    def _because(self) -> str:
        return f" ({self.note})" if self.note else ""

    def _decoded(self) -> Iterator[Any]:
        """Decoded frames until the end or the first error, which is noted."""
        errors = (self._av.error.FFmpegError, OSError)
        packets = self._container.demux(self._stream, *self._sounds())
        while True:
            with self._lock:
                if not self._open:
                    return
                try:
                    packet = next(packets, None)
                    if packet is None:
                        return
                    self._measure(packet)
                    if packet.stream.type != "video":
                        continue  # packets of sound only tell how far the clip goes
                    frames = self._decode(packet)
                except errors as error:
                    self.note = reason(error)
                    frames = self._flushed()
            yield from frames
            if self.note:
                return

    def _sounds(self) -> list[Any]:
        return [s for s in self._container.streams.audio if s.codec_context is not None]

    def _measure(self, packet: Any) -> None:
        """Note how far the clip has been read."""
        if packet.stream.type == "video" and packet.size:
            self._packets += 1
            self._shown.packet(packet)
        self._extents.packet(packet)

    def _decode(self, packet: Any) -> list[Any]:
        if self._decoder is None:
            return list(packet.decode())
        return list(self._decoder.decode(packet if packet.size else None))

    def _flushed(self) -> list[Any]:
        """What the decoder still holds after an error."""
        try:
            return list((self._decoder or self._stream).decode(None))
        except (self._av.error.FFmpegError, OSError):
            return []
